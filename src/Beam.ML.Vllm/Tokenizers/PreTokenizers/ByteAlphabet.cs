using System.Text;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.PreTokenizers;

/// <summary>GPT-2's alphabet: each byte is written as a printable character of its own, so that any text is a text of 256 letters.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] CharOf = Build();
    private static readonly short[] ByteOf = Invert();

    /// <summary>Writes a text's UTF-8 in the alphabet.</summary>
    public static string Encode(ReadOnlySpan<char> text)
    {
        using var utf8 = new PooledList<byte>(text.Length + 16);
        Utf8.Append(text, utf8);
        return string.Create(utf8.Count, utf8, static (chars, bytes) =>
        {
            for (var i = 0; i < chars.Length; i++) chars[i] = CharOf[bytes.Span[i]];
        });
    }

    /// <summary>Appends a text's UTF-8, written in the alphabet.</summary>
    public static void Encode(ReadOnlySpan<char> text, PooledList<byte> utf8, PooledList<char> output)
    {
        utf8.Clear();
        Utf8.Append(text, utf8);
        var bytes = utf8.Span;
        var chars = output.Take(bytes.Length);
        for (var i = 0; i < bytes.Length; i++) chars[i] = CharOf[bytes[i]];
    }

    /// <summary>Appends the bytes that a token stands for; a token with characters outside the alphabet stands for its own UTF-8.</summary>
    public static void Decode(ReadOnlySpan<byte> token, PooledList<byte> bytes)
    {
        var start = bytes.Count;
        for (var rest = token; rest.Length > 0;)
        {
            var point = Utf8.CodePoint(rest, out var length);
            if (point >= ByteOf.Length || ByteOf[point] < 0)
            {
                bytes.Truncate(start);
                bytes.AddRange(token);
                return;
            }
            bytes.Add((byte)ByteOf[point]);
            rest = rest[length..];
        }
    }

    private static char[] Build()
    {
        var chars = new char[256];
        var next = 256;
        for (var b = 0; b < 256; b++)
            chars[b] = b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE ? (char)b : (char)next++;
        return chars;
    }

    private static short[] Invert()
    {
        var bytes = new short[CharOf.Max() + 1];
        bytes.AsSpan().Fill(-1);
        for (var b = 0; b < 256; b++) bytes[CharOf[b]] = (short)b;
        return bytes;
    }
}
