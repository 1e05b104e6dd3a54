using System.Runtime.CompilerServices;
using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Text;

/// <summary>The few things the tokenizers do with UTF-8.</summary>
internal static class Utf8
{
    /// <summary>U+2581, which SentencePiece writes for a space.</summary>
    public static ReadOnlySpan<byte> Meta => "▁"u8;

    public static ReadOnlySpan<byte> Replacement => "\uFFFD"u8;

    /// <summary>The length of the character that starts a valid text.</summary>
    public static int CharLength(byte first) => first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;

    /// <summary>Appends a text as UTF-8; lone surrogates become U+FFFD.</summary>
    public static void Append(ReadOnlySpan<char> text, PooledList<byte> utf8)
    {
        var target = utf8.Take(Encoding.UTF8.GetMaxByteCount(text.Length));
        utf8.Truncate(utf8.Count - target.Length + Encoding.UTF8.GetBytes(text, target));
    }

    /// <summary>Reads the code point at the start of a valid text.</summary>
    // Called for each character of a vocabulary on loading: worth optimizing at once.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int CodePoint(ReadOnlySpan<byte> text, out int length)
    {
        int b = text[0];
        if (b < 0x80)
        {
            length = 1;
            return b;
        }
        length = Math.Min(CharLength((byte)b), text.Length);
        var point = length switch { 2 => b & 0x1F, 3 => b & 0x0F, _ => b & 0x07 };
        for (var i = 1; i < length; i++) point = (point << 6) | (text[i] & 0x3F);
        return point;
    }

    public static bool IsValid(ReadOnlySpan<byte> text) => System.Text.Unicode.Utf8.IsValid(text);
}
