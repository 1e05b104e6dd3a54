using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// hidden += inner(hidden), with norms where the family has them: before the inner layer (all since GPT-2), between it and the residual
/// stream (Gemma 2 and later), or after the sum (the first transformers).
/// </summary>
internal sealed class ResidualBlock(INorm? before, ISublayer inner, INorm? after = null, INorm? ofSum = null) : ILayer
{
    public void Forward(ForwardContext context, Matrix hidden)
    {
        var x = hidden;
        if (before is not null) before.Forward(context, hidden, x = context.Scratch(Scratch.Normed, hidden.Columns));
        if (after is null)
        {
            inner.Forward(context, x, hidden, add: true);
        }
        else
        {
            var branch = context.Scratch(Scratch.Branch, hidden.Columns);
            inner.Forward(context, x, branch, add: false);
            after.Forward(context, branch, branch);
            context.Kernels.Add(branch, hidden);
        }

        ofSum?.Forward(context, hidden, hidden);
    }
}
