using Beam.Runner.Direct.Engine;
using Beam.Runner.Direct.Progress;

namespace Beam.Runner.Direct.Tests.Progress;

public sealed class ProgressTests
{
    [Test]
    public void Until_a_worker_has_connected_workers_are_starting()
    {
        var progress = new JobProgress { TotalStages = 3 };
        Assert.That(ProgressReporter.Describe(progress, TimeSpan.FromSeconds(65)), Is.EqualTo("1:05  stage 1/3  starting workers"));
        progress.WorkerStarted("worker-1", null);
        Assert.That(ProgressReporter.Describe(progress, TimeSpan.FromSeconds(66)), Is.EqualTo("1:06  stage 1/3  workers 1"));
        progress.WorkerLost("worker-1", "gone");
        Assert.That(ProgressReporter.Describe(progress, TimeSpan.FromSeconds(67)), Is.EqualTo("1:07  stage 1/3  workers 0"));
    }

    [Test]
    public void A_stage_has_no_rate_before_its_first_bundle_begins()
    {
        var progress = new JobProgress { TotalStages = 1 };
        progress.WorkerStarted("worker-1", null);
        progress.StageStarted(new ImpulseStage(1, "Map", new Dataset(0, "out", ElementFormat.LengthPrefixed, WindowFormat.Global)), 2, 1000);
        Assert.That(ProgressReporter.Describe(progress, TimeSpan.Zero), Does.EndWith("  Map: 0/1,000 elements, bundles 0/2"));
    }
}
