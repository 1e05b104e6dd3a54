using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>down(f(gate(x)) × up(x)), gate and up merged.</summary>
internal sealed class GatedMlp(Linear gateUp, Linear down, Activation activation) : ISublayer
{
    public void Forward(ForwardContext context, Matrix x, Matrix y, bool add)
    {
        var merged = context.Workspace.Matrix(Scratch.GateUp, x.Rows, gateUp.Outputs);
        gateUp.Forward(context, x, merged);
        var (gate, up) = (merged.SliceColumns(0, down.Inputs), merged.SliceColumns(down.Inputs, down.Inputs));
        var activated = context.Workspace.Matrix(Scratch.Activated, x.Rows, down.Inputs);
        context.Kernels.ActivateAndMultiply(activation, gate, up, activated);
        down.Forward(context, activated, y, add);
    }
}

/// <summary>down(f(up(x))).</summary>
internal sealed class Mlp(Linear up, Linear down, Activation activation) : ISublayer
{
    public void Forward(ForwardContext context, Matrix x, Matrix y, bool add)
    {
        var activated = context.Workspace.Matrix(Scratch.Activated, x.Rows, up.Outputs);
        up.Forward(context, x, activated);
        context.Kernels.Activate(activation, activated);
        down.Forward(context, activated, y, add);
    }
}
