using Beam.ML.Inference.Protocol;
using Beam.ML.Inference.Sharing;

namespace Beam.ML.Inference.Tests.Sharing;

public sealed class RestartPolicyTests
{
    [Test]
    public void A_host_that_dies_as_soon_as_it_is_ready_is_restarted_after_ever_longer_delays()
    {
        var policy = new RestartPolicy(maxLoadCrashes: 3);
        var delays = Enumerable.Range(0, 8).Select(_ =>
        {
            policy.Loaded();
            return policy.Lost(whileLoading: false)!.Value.TotalMilliseconds;
        });
        Assert.That(delays, Is.EqualTo(new double[] { 0, 500, 1000, 2000, 4000, 5000, 5000, 5000 }));
        policy.Proved();
        Assert.That(policy.Lost(whileLoading: false), Is.EqualTo(TimeSpan.Zero));
    }

    [Test]
    public void Loading_may_fail_a_few_times_in_a_row_and_a_host_that_loads_clears_the_count()
    {
        var policy = new RestartPolicy(maxLoadCrashes: 3);
        Assert.That(policy.Lost(whileLoading: true), Is.EqualTo(TimeSpan.FromMilliseconds(250)));
        Assert.That(policy.Lost(whileLoading: true), Is.EqualTo(TimeSpan.FromMilliseconds(500)));
        policy.Loaded();
        Assert.That(policy.Lost(whileLoading: true), Is.Not.Null);
        Assert.That(policy.Lost(whileLoading: true), Is.Not.Null);
        Assert.That(policy.Lost(whileLoading: true), Is.Null);
        Assert.That(policy.LoadCrashes, Is.EqualTo(3));
    }

    [Test]
    public void A_model_hangs_if_it_has_requests_and_neither_works_nor_answers_for_long_enough()
    {
        var watch = new ProgressWatch(interval: TimeSpan.FromSeconds(1), patience: TimeSpan.FromSeconds(2));
        HeartbeatResponse working = new() { RequestsInFlight = 1, Answered = 1, Progress = 7 };
        Assert.That(new[] { working, working, new() { RequestsInFlight = 1, Answered = 1, Progress = 8 } }.Select(watch.IsStalled), Is.All.False);
        Assert.That(new[] { new() { RequestsInFlight = 1, Answered = 2, Progress = 8 }, Idle(), Idle(), Idle(), Idle() }.Select(watch.IsStalled), Is.All.False);
        Assert.That(new[] { working, working, working }.Select(watch.IsStalled), Is.EqualTo(new[] { false, false, true }));
        var silent = new HeartbeatResponse { RequestsInFlight = 1, Answered = 1 };
        Assert.That(new[] { silent, silent, silent, silent }.Select(watch.IsStalled), Is.All.False, "A model that cannot tell its progress is not suspected.");

        static HeartbeatResponse Idle() => new() { RequestsInFlight = 0, Answered = 2, Progress = 8 };
    }
}
