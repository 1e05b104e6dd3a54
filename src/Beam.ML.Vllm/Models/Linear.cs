using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Models;

/// <summary>A linear layer; several projections of the same input may be merged into one, side by side.</summary>
internal sealed class Linear(WeightMatrix weights, NativeBuffer<float>? bias = null)
{
    public int Inputs => weights.Inputs;

    public int Outputs => weights.Outputs;

    /// <summary>The modules that it is made of, as far as adapters may change them. Such a layer sees the rows of the step, all of them in order.</summary>
    public LoraTarget[] LoraTargets { get; init; } = [];

    /// <summary>Writes to y, or adds to it.</summary>
    public void Forward(ForwardContext context, Matrix x, Matrix y, bool add = false)
    {
        context.Kernels.Multiply(x, weights, y, add);
        if (bias is not null) context.Kernels.AddBias(y, bias);
        if (LoraTargets.Length > 0 && !context.Lora.IsEmpty) context.Lora.Apply(context, LoraTargets, x, y);
    }
}
