using System.Globalization;
using Beam.Testing;

namespace Beam.ML.Inference.Tests.Transforms;

public sealed class RunInferenceTests
{
    [Test]
    public async Task Elements_are_batched_asked_and_counted()
    {
        var pipeline = TestPipeline.Create();
        var doubled = pipeline.Create(Enumerable.Range(1, 100)).RunInference(new DoublingHandler());
        PAssert.That(doubled).ContainsInAnyOrder(Enumerable.Range(1, 100).Select(n => 2L * n));
        await using var result = await pipeline.RunAsync();

        const string Namespace = "BeamML_RunInference";
        Assert.That(result.Metrics.CounterValue(Namespace, InferenceMetricNames.NumInferences), Is.EqualTo(100));
        var sizes = result.Metrics.DistributionValue(Namespace, InferenceMetricNames.BatchSize);
        Assert.That((sizes.Sum, sizes.Count < 100), Is.EqualTo((100L, true)), "Elements should share batches.");
        Assert.That(result.Metrics.DistributionValue(Namespace, InferenceMetricNames.BatchByteSize).Sum, Is.GreaterThanOrEqualTo(100));
        Assert.That(result.Metrics.DistributionValue(Namespace, InferenceMetricNames.LoadLatency).Count, Is.EqualTo(1));
        var summary = result.SummarizeInference();
        Assert.That(summary.Elements, Is.EqualTo(100));
        Assert.That(summary.Hosts, Has.Count.EqualTo(1));
        Assert.That(summary.ToText(TimeSpan.FromSeconds(2)), Does.Contain("100 answered, 50.0 prompts/s"));
    }

    [Test]
    public async Task Failed_elements_come_out_as_they_went_in_whatever_stage_they_failed_in()
    {
        var pipeline = TestPipeline.Create();
        var handler = new DoublingHandler()
            .WithPreprocess((string s) => int.Parse(s, CultureInfo.InvariantCulture))
            .WithPostprocess(n => n == 8 ? throw new InvalidOperationException("Eight.") : n);
        var (good, failed) = pipeline.Create("1", "two", "-3", "4", "5").RunInferenceWithExceptionHandling(handler);
        PAssert.That(good).ContainsInAnyOrder(2L, 10L);
        PAssert.That(failed.Map(f => $"{f.Element}: {f.ExceptionType}: {f.Message}")).ContainsInAnyOrder(
            "two: System.FormatException: The input string 'two' was not in a correct format.",
            "-3: System.InvalidOperationException: There is a negative number in the batch.",
            "4: System.InvalidOperationException: Eight.");
        await using var result = await pipeline.RunAsync();
        Assert.That(result.Metrics.Query(name: InferenceMetricNames.FailedBatches).Counters.Sum(c => c.Committed), Is.Positive);
        Assert.That((result.SummarizeInference().Elements, result.SummarizeInference().Failed), Is.EqualTo((3, 3)), "One of the three failed behind the model.");
    }

    [Test]
    public async Task Without_exception_handling_a_failed_element_fails_the_job_and_is_named()
    {
        var pipeline = TestPipeline.Create();
        pipeline.Create(1, -2, 3).RunInference(new DoublingHandler(), name: "Double");
        Assert.That(async () =>
        {
            await using var result = await pipeline.RunAsync();
        }, Throws.TypeOf<PipelineException>().With.Message.Contains("No prediction for '-2': There is a negative number in the batch.").And.Message.Contains("Double"));
        await Task.CompletedTask;
    }

    [Test]
    public async Task A_shared_model_is_hosted_for_a_pipeline_and_gone_afterwards()
    {
        var pipeline = TestPipeline.Create();
        var answers = pipeline.Create(Enumerable.Range(0, 50).Select(i => $"echo {i}")).RunInference(SharedModels.Of());
        PAssert.That(answers.Map(a => a.Text)).ContainsInAnyOrder(Enumerable.Range(0, 50).Select(i => $"{i}"));
        int host;
        await using (var result = await pipeline.RunAsync())
        {
            var hosts = result.SummarizeInference().Hosts;
            Assert.That(hosts, Has.Count.EqualTo(1));
            host = int.Parse(hosts[0].Split(' ')[1], CultureInfo.InvariantCulture);
        }

        Assert.That(host, Is.Not.EqualTo(Environment.ProcessId));
        await Sharing.Hosts.AssertGoneAsync(host);
    }

    [Test]
    public void Wrong_arguments_and_options_fail_when_the_pipeline_is_built()
    {
        var numbers = TestPipeline.Create().Create(1, 2);
        Assert.That(() => numbers.RunInference(new DoublingHandler(), new() { ["batch_size"] = 32 }),
            Throws.TypeOf<PipelineConstructionException>().With.Message.EqualTo("Transform 'RunInference': DoublingHandler takes no inference arguments, and was given 'batch_size'."));
        Assert.That(() => numbers.RunInference(new DoublingHandler { ModelCopies = 0 }),
            Throws.TypeOf<PipelineConstructionException>().With.Message.EqualTo("model_copies must be from 1 to 64, not 0."));
    }
}
