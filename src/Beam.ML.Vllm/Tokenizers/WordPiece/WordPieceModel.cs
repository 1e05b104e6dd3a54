using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.WordPiece;

/// <summary>Takes the longest token that a word starts with, then the longest that continues it, and so on.</summary>
internal sealed class WordPieceModel(TokenTable vocabulary, int unkId, byte[] continuingPrefix, int maxCharsPerWord) : TokenModel(vocabulary)
{
    public override int UnkId => unkId;

    public override void Encode(ReadOnlySpan<byte> piece, PooledList<int> ids)
    {
        var first = ids.Count;
        if (CountChars(piece) > maxCharsPerWord || !TryEncode(piece, ids))
        {
            ids.Truncate(first);
            ids.Add(unkId);
        }
    }

    private bool TryEncode(ReadOnlySpan<byte> piece, PooledList<int> ids)
    {
        using var buffer = new PooledList<byte>(piece.Length + continuingPrefix.Length);
        var prefix = 0;
        while (piece.Length > 0)
        {
            buffer.Clear();
            buffer.AddRange(continuingPrefix.AsSpan(0, prefix));
            buffer.AddRange(piece);
            var length = Math.Min(piece.Length, Vocabulary.MaxTokenLength);
            var id = -1;
            for (; length > 0 && (id = At(piece, length, buffer, prefix)) < 0; length--) { }
            if (id < 0) return false;
            ids.Add(id);
            piece = piece[length..];
            prefix = continuingPrefix.Length;
        }
        return true;
    }

    private int At(ReadOnlySpan<byte> piece, int length, PooledList<byte> buffer, int prefix) =>
        length < piece.Length && (piece[length] & 0xC0) == 0x80 ? -1 : Vocabulary.Find(buffer.Span[..(prefix + length)]);

    private static int CountChars(ReadOnlySpan<byte> text)
    {
        var count = 0;
        foreach (var b in text)
            if ((b & 0xC0) != 0x80) count++;
        return count;
    }
}
