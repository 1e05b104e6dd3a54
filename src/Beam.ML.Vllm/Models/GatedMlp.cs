using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>down(gelu(gate(x)) × up(x)), gate and up merged.</summary>
internal sealed class GatedMlp(Linear gateUp, Linear down)
{
    /// <summary>Computes from the normed rows x and adds the result to the residual stream.</summary>
    public void ForwardAdd(ForwardContext context, Matrix x, Matrix residual)
    {
        var merged = context.Scratch(Scratch.GateUp, gateUp.Outputs);
        gateUp.Forward(context, x, merged);
        var activated = context.Scratch(Scratch.Activated, gateUp.Outputs / 2);
        context.Kernels.GeluTanhAndMultiply(merged, activated);
        down.ForwardAdd(context, activated, residual);
    }
}
