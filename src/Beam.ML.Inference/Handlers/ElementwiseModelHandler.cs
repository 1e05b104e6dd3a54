using Beam.ML.Inference.Clients;

namespace Beam.ML.Inference;

/// <summary>
/// A handler whose model takes examples one by one, at any time, and batches by itself (continuous batching): <c>RunInference</c> sends
/// each element as it arrives and does not wait for others. The model answers many at a time.
/// </summary>
/// <typeparam name="TExample">What the model is given.</typeparam>
/// <typeparam name="TPrediction">What it answers.</typeparam>
/// <typeparam name="TModel">The loaded model.</typeparam>
public abstract class ElementwiseModelHandler<TExample, TPrediction, TModel> : ModelHandler<TExample, TPrediction, TModel>
{
    /// <inheritdoc/>
    public sealed override bool ShouldSkipBatching => true;

    /// <summary>Asks the model.</summary>
    /// <param name="example">The example.</param>
    /// <param name="model">What <c>LoadModelAsync</c> gave.</param>
    /// <param name="inferenceArgs">The arguments of the transform.</param>
    /// <param name="cancellationToken">Cancelled when nobody waits for the answer any more.</param>
    public abstract Task<TPrediction> RunInferenceAsync(TExample example, TModel model, InferenceArgs inferenceArgs, CancellationToken cancellationToken);

    /// <summary>Asks the model for all examples of a batch at a time.</summary>
    public sealed override async Task<IReadOnlyList<TPrediction>> RunInferenceAsync(
        IReadOnlyList<TExample> batch, TModel model, InferenceArgs inferenceArgs, CancellationToken cancellationToken)
    {
        if (batch.Count == 1) return [await RunInferenceAsync(batch[0], model, inferenceArgs, cancellationToken)];
        return await Task.WhenAll(batch.Select(example => RunInferenceAsync(example, model, inferenceArgs, cancellationToken)));
    }

    internal sealed override Task<Outcome<TPrediction>[]> PredictAsync(
        IReadOnlyList<TExample> batch, TModel model, InferenceArgs inferenceArgs, CancellationToken cancellationToken)
    {
        return Task.WhenAll(batch.Select(PredictAsync));

        async Task<Outcome<TPrediction>> PredictAsync(TExample example)
        {
            try
            {
                return Outcome<TPrediction>.Of(await RunInferenceAsync(example, model, inferenceArgs, cancellationToken));
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && !IsModelBroken(e))
            {
                return Outcome<TPrediction>.Failed(e);
            }
        }
    }
}
