using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>A linear layer; several projections of the same input may be merged into one, side by side.</summary>
internal sealed class Linear(WeightMatrix weights, NativeBuffer<float>? bias = null)
{
    public int Inputs => weights.Inputs;

    public int Outputs => weights.Outputs;

    /// <summary>Writes to y, or adds to it.</summary>
    public void Forward(ForwardContext context, Matrix x, Matrix y, bool add = false)
    {
        context.Kernels.Multiply(x, weights, y, add);
        if (bias is not null) context.Kernels.AddBias(y, bias);
    }
}
