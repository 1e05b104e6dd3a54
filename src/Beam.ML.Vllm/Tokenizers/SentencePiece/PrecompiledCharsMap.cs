using System.Buffers.Binary;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>Replaces characters as a map compiled into a SentencePiece model or tokenizer.json says (usually a form of NFKC).</summary>
internal sealed class PrecompiledCharsMap
{
    private readonly DoubleArrayTrie _trie;
    private readonly byte[] _replacements;

    /// <exception cref="FormatException">The blob is not such a map.</exception>
    public PrecompiledCharsMap(ReadOnlySpan<byte> blob)
    {
        if (blob.Length < 4) throw new FormatException("its character map is cut short");
        var size = BinaryPrimitives.ReadUInt32LittleEndian(blob);
        if (size > (uint)blob.Length - 4 || size % 4 != 0) throw new FormatException("its character map is cut short");
        _trie = new DoubleArrayTrie(blob.Slice(4, (int)size));
        _replacements = blob[(4 + (int)size)..].ToArray();
    }

    /// <summary>The length of the longest mapped key that the text starts with, or 0, and what replaces it.</summary>
    public int Match(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        replacement = default;
        var length = _trie.LongestPrefix(text, out var offset);
        if (length == 0 || offset >= _replacements.Length) return 0;
        replacement = _replacements.AsSpan(offset);
        var end = replacement.IndexOf((byte)0);
        if (end >= 0) replacement = replacement[..end];
        return length;
    }
}
