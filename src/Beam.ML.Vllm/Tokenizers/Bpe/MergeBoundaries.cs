using System.Runtime.CompilerServices;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Bpe;

/// <summary>
/// Knows where no merge can ever happen: between two characters that no token has side by side. A text cut there merges part by
/// part to the same tokens, so a prompt without pre-tokenization costs as little as one with it. A filter of hashes: it may
/// miss a place to cut, never invent one.
/// </summary>
internal sealed class MergeBoundaries
{
    private const int Bits = 20;
    private readonly ulong[] _together = new ulong[1 << (Bits - 6)];

    /// <summary>Notes the neighbours within a token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void AddToken(ReadOnlySpan<byte> token)
    {
        if (token.IsEmpty) return;
        var left = Utf8.CodePoint(token, out var length);
        for (token = token[length..]; token.Length > 0; token = token[length..])
        {
            var right = Utf8.CodePoint(token, out length);
            var bit = Bit(left, right);
            _together[bit >> 6] |= 1UL << (bit & 63);
            left = right;
        }
    }

    /// <summary>The length of the text up to the first place where no merge can happen.</summary>
    public int NextCut(ReadOnlySpan<byte> text)
    {
        var left = Utf8.CodePoint(text, out var at);
        while (at < text.Length)
        {
            var right = Utf8.CodePoint(text[at..], out var length);
            var bit = Bit(left, right);
            if ((_together[bit >> 6] & 1UL << (bit & 63)) == 0) return at;
            left = right;
            at += length;
        }
        return text.Length;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Bit(int left, int right) => (int)(((uint)left * 0x9E3779B1u ^ (uint)right * 0x85EBCA77u) * 0x2C1B3C6Du >> (32 - Bits));
}
