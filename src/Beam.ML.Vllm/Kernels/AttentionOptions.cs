namespace Beam.ML.Vllm.Kernels;

/// <summary>How scores turn into weights.</summary>
/// <param name="Scale">What the products of queries and keys are multiplied by.</param>
/// <param name="Window">Positions that a row sees, its own included.</param>
/// <param name="SoftCap">Scores are squeezed into ±this by tanh; 0 for no cap.</param>
/// <param name="Sinks">A score for each head that takes its share of the weights and gives no value; null for none.</param>
internal readonly record struct AttentionOptions(
    float Scale, int Window = int.MaxValue, float SoftCap = 0, NativeBuffer<float>? Sinks = null);
