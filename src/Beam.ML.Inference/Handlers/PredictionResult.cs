namespace Beam.ML.Inference;

/// <summary>An example with what a model said of it.</summary>
/// <param name="Example">What the model was given.</param>
/// <param name="Inference">What it answered.</param>
/// <param name="ModelId">Which model it was; null if the handler does not say.</param>
/// <typeparam name="TExample">The type of the example.</typeparam>
/// <typeparam name="TInference">The type of the answer.</typeparam>
public sealed record PredictionResult<TExample, TInference>(TExample Example, TInference Inference, string? ModelId = null);
