using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Hears which experts a layer has chosen.</summary>
/// <param name="rows">Rows of the step.</param>
/// <param name="experts">Those of the first row, best first, those of the second, and so on.</param>
internal delegate void ExpertsChosen(int rows, ReadOnlySpan<int> experts);

/// <summary>
/// Which rows go to which experts, and with which weights: for each row the experts with the highest logits, then all pairs sorted by expert.
/// Reused layer after layer.
/// </summary>
internal sealed class ExpertRouting
{
    private int[] _chosen = [];
    private float[] _chosenWeights = [];
    private int[] _starts = [];

    /// <summary>Who is told of the choices of each layer; nobody by default.</summary>
    public ExpertsChosen? Chosen { get; set; }

    /// <summary>Rows of the step, expert by expert.</summary>
    public int[] Rows { get; private set; } = [];

    /// <summary>The weight of each entry of <see cref="Rows"/>.</summary>
    public float[] Weights { get; private set; } = [];

    /// <summary>The entries of <see cref="Rows"/> that are an expert's.</summary>
    public (int First, int Count) Entries(int expert) => (_starts[expert], _starts[expert + 1] - _starts[expert]);

    /// <param name="logits">[rows, experts]; overwritten.</param>
    /// <param name="count">Experts for each row.</param>
    /// <param name="normalize">The chosen weights add up to one; otherwise they are the shares among all experts.</param>
    /// <param name="scales">What the weight of each expert is multiplied by in the end; null for one.</param>
    public void Choose(Matrix logits, int count, bool normalize, float[]? scales = null)
    {
        Grow(logits.Rows * count, logits.Columns);
        var starts = _starts.AsSpan(0, logits.Columns + 1);
        starts.Clear();
        for (var row = 0; row < logits.Rows; row++)
        {
            var chosen = _chosen.AsSpan(row * count, count);
            Choose(logits.RowSpan(row), chosen, _chosenWeights.AsSpan(row * count, count), normalize);
            foreach (var expert in chosen) starts[expert + 1]++;
        }

        Chosen?.Invoke(logits.Rows, _chosen.AsSpan(0, logits.Rows * count));
        for (var expert = 0; expert < logits.Columns; expert++) starts[expert + 1] += starts[expert];
        for (var i = 0; i < logits.Rows * count; i++)
        {
            var entry = starts[_chosen[i]]++;
            (Rows[entry], Weights[entry]) = (i / count, _chosenWeights[i] * (scales?[_chosen[i]] ?? 1));
        }

        // Filling has moved each start to the next one's place.
        for (var expert = logits.Columns; expert > 0; expert--) starts[expert] = starts[expert - 1];
        starts[0] = 0;
    }

    private static void Choose(Span<float> logits, Span<int> chosen, Span<float> weights, bool normalize)
    {
        var max = float.NegativeInfinity;
        foreach (var logit in logits) max = MathF.Max(max, logit);
        var sum = 0f;
        for (var i = 0; i < logits.Length; i++) sum += logits[i] = MathF.Exp(logits[i] - max);

        var chosenSum = 0f;
        for (var i = 0; i < chosen.Length; i++)
        {
            // Of equal ones the first: the choice must not depend on anything else. What is taken is marked by a share that none has.
            var best = 0;
            for (var expert = 1; expert < logits.Length; expert++)
            {
                if (logits[expert] > logits[best]) best = expert;
            }

            (chosen[i], weights[i]) = (best, logits[best]);
            chosenSum += logits[best];
            logits[best] = -1;
        }

        var total = normalize ? chosenSum : sum;
        for (var i = 0; i < weights.Length; i++) weights[i] /= total;
    }

    private void Grow(int entries, int experts)
    {
        if (_starts.Length <= experts) _starts = new int[experts + 1];
        if (_chosen.Length >= entries) return;
        _chosen = new int[entries];
        _chosenWeights = new float[entries];
        Rows = new int[entries];
        Weights = new float[entries];
    }
}
