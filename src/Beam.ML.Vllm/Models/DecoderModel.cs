using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>Embedding, layers, head: what the model files compose.</summary>
internal sealed class DecoderModel(TokenEmbedding embedding, ILayer[] layers, DecoderHead head, IReadOnlyList<IDisposable> weights)
    : IDisposable
{
    public int VocabularySize => embedding.VocabularySize;

    /// <summary>Computes all rows of the step, fills the cache, and returns the logits of the rows asked for, [rows, vocabulary].</summary>
    public Matrix Forward(ForwardContext context, ReadOnlySpan<int> logitRows)
    {
        var hidden = context.Scratch(Scratch.Hidden, embedding.HiddenSize);
        embedding.Forward(context, hidden);
        foreach (var layer in layers) layer.Forward(context, hidden);

        var chosen = context.Workspace.Matrix(Scratch.LogitRows, logitRows.Length, hidden.Columns);
        for (var i = 0; i < logitRows.Length; i++) hidden.RowSpan(logitRows[i]).CopyTo(chosen.RowSpan(i));
        var logits = context.Workspace.Matrix(Scratch.Logits, logitRows.Length, VocabularySize);
        if (logitRows.Length > 0) head.Forward(context, chosen, logits);
        return logits;
    }

    public void Dispose()
    {
        foreach (var weight in weights) weight.Dispose();
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

    /// <summary>Overwrites hidden.</summary>
    public void Forward(ForwardContext context, Matrix hidden, Matrix logits)
    {
        norm?.Forward(context, hidden, hidden);
        var x = hidden;
        if (Projection is not null)
            Projection.Forward(context, hidden, x = context.Workspace.Matrix(Scratch.Normed, hidden.Rows, Projection.Outputs));
        vocabulary.Forward(context, x, logits);
        if (SoftCap > 0) context.Kernels.SoftCap(logits, SoftCap);
    }
}
