using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Embedding, layers, head: what the model files compose.</summary>
internal sealed class DecoderModel(TokenEmbedding embedding, ILayer[] layers, DecoderHead head, IReadOnlyList<IDisposable> weights)
    : IDisposable
{
    public int VocabularySize => embedding.VocabularySize;

    public int HiddenSize => embedding.HiddenSize;

    /// <summary>The memory that the weights take.</summary>
    public long WeightBytes { get; } = weights.OfType<INativeMemory>().Sum(w => w.Bytes);

    /// <summary>Computes all rows of the step and fills the cache. The rows' hidden states are there until the next step.</summary>
    public void Forward(ForwardContext context)
    {
        var hidden = context.Scratch(Scratch.Hidden, embedding.HiddenSize);
        embedding.Forward(context, hidden);
        foreach (var layer in layers) layer.Forward(context, hidden);
    }

    /// <summary>The logits of rows of the step, [rows, vocabulary]; valid until they are asked for again.</summary>
    public Matrix Logits(ForwardContext context, ReadOnlySpan<int> rows)
    {
        var chosen = Choose(context, rows);
        var logits = context.Workspace.Matrix(Scratch.Logits, rows.Length, VocabularySize);
        if (rows.Length > 0) head.Forward(context, chosen, logits);
        return logits;
    }

    /// <summary>The hidden states of rows of the step after the last norm, [rows, hidden size]; valid until rows are asked for again.</summary>
    public Matrix FinalHidden(ForwardContext context, ReadOnlySpan<int> rows)
    {
        var chosen = Choose(context, rows);
        head.Normalize(context, chosen);
        return chosen;
    }

    public void Dispose()
    {
        foreach (var weight in weights) weight.Dispose();
    }

    private Matrix Choose(ForwardContext context, ReadOnlySpan<int> rows)
    {
        var hidden = context.Scratch(Scratch.Hidden, embedding.HiddenSize);
        var chosen = context.Workspace.Matrix(Scratch.LogitRows, rows.Length, hidden.Columns);
        for (var i = 0; i < rows.Length; i++) hidden.RowSpan(rows[i]).CopyTo(chosen.RowSpan(i));
        return chosen;
    }
}

/// <summary>From the residual stream to logits.</summary>
/// <param name="norm">The last norm, where there is one.</param>
/// <param name="vocabulary">[hidden or embedding size → vocabulary].</param>
internal sealed class DecoderHead(INorm? norm, Linear vocabulary)
{
    /// <summary>From the hidden size to the embedding size, where they differ.</summary>
    public Linear? Projection { get; init; }

    /// <summary>Logits are squeezed into ±this by tanh; 0 for no cap.</summary>
    public float SoftCap { get; init; }

    /// <summary>The last norm alone, in place.</summary>
    public void Normalize(ForwardContext context, Matrix hidden) => norm?.Forward(context, hidden, hidden);

    /// <summary>Overwrites hidden.</summary>
    public void Forward(ForwardContext context, Matrix hidden, Matrix logits)
    {
        Normalize(context, hidden);
        var x = hidden;
        if (Projection is not null)
            Projection.Forward(context, hidden, x = context.Workspace.Matrix(Scratch.Normed, hidden.Rows, Projection.Outputs));
        vocabulary.Forward(context, x, logits);
        if (SoftCap > 0) context.Kernels.SoftCap(logits, SoftCap);
    }
}
