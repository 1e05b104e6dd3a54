using System.Globalization;

namespace Beam.ML.Inference.Tests.Handlers;

public sealed class HandlerTests
{
    [Test]
    public async Task A_batch_is_halved_until_the_bad_examples_are_alone()
    {
        var outcomes = await PredictAsync(new DoublingHandler(), [1, 2, -3, 4, 5, 6, -7, 8]);
        Assert.That(outcomes.Select(outcome => outcome.Error is null ? outcome.Value : -1), Is.EqualTo(new long[] { 2, 4, -1, 8, 10, 12, -1, 16 }));
        Assert.That(outcomes[2].Error!.Message, Is.EqualTo("There is a negative number in the batch."));
    }

    [Test]
    public async Task Functions_before_the_model_run_last_added_first_and_those_behind_it_first_added_first()
    {
        var handler = new DoublingHandler()
            .WithPreprocess((int n) => n + 1)
            .WithPreprocess((string s) => int.Parse(s, CultureInfo.InvariantCulture))
            .WithPostprocess(n => n * 10)
            .WithPostprocess(n => $"{n}!");
        var outcomes = await PredictAsync(handler, ["1", "2"]);
        Assert.That(outcomes.Select(outcome => outcome.Value), Is.EqualTo(new[] { "40!", "60!" }));
    }

    [Test]
    public async Task An_element_whose_function_throws_fails_alone_and_does_not_reach_the_model()
    {
        var handler = new DoublingHandler()
            .WithPreprocess((string s) => int.Parse(s, CultureInfo.InvariantCulture))
            .WithPostprocess(n => n == 4 ? throw new InvalidOperationException("Four.") : n);
        var outcomes = await PredictAsync(handler, ["1", "two", "2", "3"]);
        Assert.That(outcomes.Select(outcome => outcome.Error?.GetType()), Is.EqualTo(new[] { null, typeof(FormatException), typeof(InvalidOperationException), null }));
        Assert.That(outcomes[3].Value, Is.EqualTo(6));
    }

    [Test]
    public async Task Elements_that_are_batches_reach_the_model_as_they_are()
    {
        var outcomes = await PredictAsync(new DoublingHandler().WithNoBatching(), [[1, 2, 3], [], [4, -5]]);
        Assert.That(outcomes[0].Value, Is.EqualTo(new long[] { 2, 4, 6 }));
        Assert.That(outcomes[1].Value, Is.Empty);
        Assert.That(outcomes[2].Error, Is.Not.Null);
    }

    [Test]
    public void A_model_that_cannot_be_loaded_is_not_tried_again()
    {
        var report = Harness.FailureReport.Describe(new ModelLoadException("There is no such model."), "RunInference");
        Assert.That(Harness.FailureReport.IsDeterministic(report), report);
    }

    private static async Task<Clients.Outcome<TPrediction>[]> PredictAsync<TExample, TPrediction>(
        InferenceHandler<TExample, TPrediction> handler, IReadOnlyList<TExample> batch)
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(handler);
        return await client.PredictAsync(batch, [], new InferenceMetrics("test"), CancellationToken.None);
    }
}
