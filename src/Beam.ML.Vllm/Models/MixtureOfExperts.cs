using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// The MLPs that a router chooses for each row, weighted and added up in the order of the experts. An expert that no row of the step has
/// chosen is not read.
/// </summary>
/// <param name="router">[hidden size → experts].</param>
/// <param name="experts">The MLPs.</param>
/// <param name="perRow">Experts for each row.</param>
/// <param name="normalize">The weights of a row's experts add up to one.</param>
/// <param name="scales">What the weight of each expert is multiplied by in the end; null for one.</param>
internal sealed class MixtureOfExperts(Linear router, IReadOnlyList<GatedMlp> experts, int perRow, bool normalize, float[]? scales = null) : ISublayer
{
    public void Forward(ForwardContext context, Matrix x, Matrix y, bool add) => Forward(context, x, x, y, add);

    /// <summary>Chooses by other features than those that the experts get.</summary>
    public void Forward(ForwardContext context, Matrix features, Matrix x, Matrix y, bool add)
    {
        var (workspace, routing) = (context.Workspace, context.Routing);
        var logits = workspace.Matrix(Scratch.RouterLogits, x.Rows, experts.Count);
        router.Forward(context, features, logits);
        routing.Choose(logits, perRow, normalize, scales);

        var sum = workspace.Matrix(Scratch.ExpertSum, x.Rows, x.Columns);
        sum.Clear();
        for (var expert = 0; expert < experts.Count; expert++)
        {
            var (first, count) = routing.Entries(expert);
            if (count == 0) continue;
            var input = workspace.Matrix(Scratch.ExpertInput, count, x.Columns);
            for (var i = 0; i < count; i++) x.RowSpan(routing.Rows[first + i]).CopyTo(input.RowSpan(i));
            var output = workspace.Matrix(Scratch.ExpertOutput, count, x.Columns);
            experts[expert].Forward(context, input, output, add: false);
            context.Kernels.AddScaledRows(output, routing.Rows, routing.Weights, first, sum);
        }

        if (!add) y.Clear();
        context.Kernels.Add(sum, y);
    }
}
