using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>Splits a piece of text into tokens of a vocabulary: the <c>model</c> of a tokenizer.json.</summary>
internal abstract class TokenModel(TokenTable vocabulary)
{
    public TokenTable Vocabulary { get; } = vocabulary;

    /// <summary>The token for what the vocabulary lacks, or -1.</summary>
    public virtual int UnkId => -1;

    /// <summary>Appends the ids of a piece, which is valid UTF-8 and not empty.</summary>
    public abstract void Encode(ReadOnlySpan<byte> piece, PooledList<int> ids);
}

/// <summary>A piece is a token or unknown.</summary>
internal sealed class WordLevelModel(TokenTable vocabulary, int unkId) : TokenModel(vocabulary)
{
    public override int UnkId => unkId;

    public override void Encode(ReadOnlySpan<byte> piece, PooledList<int> ids)
    {
        var id = Vocabulary.Find(piece);
        if (id < 0) id = unkId;
        if (id >= 0) ids.Add(id);
    }
}
