using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Of whole rows, or of each head, by the length of the weight.</summary>
internal sealed class RmsNorm(NativeBuffer<float> weight, float epsilon) : INorm
{
    public void Forward(ForwardContext context, Matrix x, Matrix y) => context.Kernels.RmsNorm(x, weight, epsilon, y);
}

internal sealed class LayerNorm(NativeBuffer<float> weight, NativeBuffer<float> bias, float epsilon) : INorm
{
    public void Forward(ForwardContext context, Matrix x, Matrix y) => context.Kernels.LayerNorm(x, weight, bias, epsilon, y);
}
