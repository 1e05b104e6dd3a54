using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>A decoder block that norms before attention and before the MLP.</summary>
internal sealed class PreNormLayer(RmsNorm attentionNorm, SelfAttention attention, RmsNorm mlpNorm, GatedMlp mlp)
{
    public void Forward(ForwardContext context, Matrix hidden)
    {
        var normed = context.Scratch(Scratch.Normed, hidden.Columns);
        attentionNorm.Forward(context, hidden, normed);
        attention.ForwardAdd(context, normed, hidden);
        mlpNorm.Forward(context, hidden, normed);
        mlp.ForwardAdd(context, normed, hidden);
    }
}

/// <summary>Embedding, decoder layers, norm, head: what the model files compose.</summary>
internal sealed class DecoderModel(
    TokenEmbedding embedding, IReadOnlyList<PreNormLayer> layers, RmsNorm norm, Linear head, IReadOnlyList<IDisposable> weights) : IDisposable
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
        norm.Forward(context, chosen, chosen);
        var logits = context.Workspace.Matrix(Scratch.Logits, logitRows.Length, VocabularySize);
        if (logitRows.Length > 0) head.Forward(context, chosen, logits);
        return logits;
    }

    public void Dispose()
    {
        foreach (var weight in weights) weight.Dispose();
    }
}
