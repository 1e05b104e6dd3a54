using System.Diagnostics;
using Beam.Coders;

namespace Beam.ML.Inference.Clients;

/// <summary>
/// Sends batches to a model, wherever it is. A batch that fails is halved until the examples that the model does not take are alone, so
/// that one bad example is one failed element.
/// </summary>
internal abstract class ModelClient<TExample, TPrediction, TModel>(ModelHandler<TExample, TPrediction, TModel> handler, Coder<TExample> exampleCoder)
    : InferenceClient<TExample, TPrediction>
{
    protected ModelHandler<TExample, TPrediction, TModel> Handler => handler;

    protected Coder<TExample> ExampleCoder => exampleCoder;

    public sealed override async Task<Outcome<TPrediction>[]> PredictAsync(
        IReadOnlyList<TExample> batch, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken)
    {
        var outcomes = new Outcome<TPrediction>[batch.Count];
        await PredictAsync(batch, outcomes, args, metrics, cancellationToken);
        return outcomes;
    }

    /// <summary>One call of the model.</summary>
    /// <returns>The outcome of each example, and how many bytes the examples took if they were encoded.</returns>
    protected abstract Task<(Outcome<TPrediction>[] Outcomes, long? Bytes)> CallAsync(
        IReadOnlyList<TExample> batch, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken);

    private async Task PredictAsync(
        IReadOnlyList<TExample> batch, Memory<Outcome<TPrediction>> outcomes, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            var (answers, bytes) = await CallAsync(batch, args, metrics, cancellationToken);
            answers.CopyTo(outcomes);
            var predicted = 0;
            foreach (var answer in answers)
            {
                if (answer.Error is not null) continue;
                handler.ReportMetrics(answer.Value, metrics.Namespace);
                predicted++;
            }

            if (predicted < batch.Count) metrics.Failed();
            if (predicted > 0) metrics.Succeeded(predicted, handler.GetNumBytes(batch) ?? bytes ?? EncodedSize(batch), Stopwatch.GetElapsedTime(started));
            return;
        }
        catch (Exception e) when (IsOfTheBatch(e, cancellationToken))
        {
            metrics.Failed();
            if (batch.Count == 1)
            {
                outcomes.Span[0] = Outcome<TPrediction>.Failed(e);
                return;
            }
        }

        var half = batch.Count / 2;
        await PredictAsync([.. batch.Take(half)], outcomes[..half], args, metrics, cancellationToken);
        await PredictAsync([.. batch.Skip(half)], outcomes[half..], args, metrics, cancellationToken);
    }

    /// <summary>Whether an error may be the fault of an example, and not of the model's absence or of somebody's change of mind.</summary>
    private static bool IsOfTheBatch(Exception e, CancellationToken cancellationToken) =>
        e is not (ModelLoadException or ModelUnavailableException or ObjectDisposedException)
        && !(e is OperationCanceledException && cancellationToken.IsCancellationRequested);

    private long EncodedSize(IReadOnlyList<TExample> batch)
    {
        using var writer = new CoderWriter(256);
        foreach (var example in batch) exampleCoder.Encode(example, writer, nested: true);
        return writer.Length;
    }
}
