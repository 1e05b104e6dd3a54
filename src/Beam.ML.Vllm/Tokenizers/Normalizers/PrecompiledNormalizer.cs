using System.Globalization;
using System.Text;
using Beam.ML.Vllm.Tokenizers.SentencePiece;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Normalizers;

/// <summary>
/// A SentencePiece character map within a tokenizer.json. As in the reference library, a cluster of up to five bytes is looked up
/// whole before its characters are.
/// </summary>
internal sealed class PrecompiledNormalizer : Normalizer
{
    private readonly PrecompiledCharsMap? _map;

    public PrecompiledNormalizer(string base64)
    {
        try
        {
            var blob = Convert.FromBase64String(base64);
            if (blob.Length > 0) _map = new PrecompiledCharsMap(blob);
        }
        catch (FormatException e)
        {
            throw new TokenizerException($"The normalizer 'Precompiled' has a character map that cannot be read: {e.Message}", e);
        }
    }

    public override string Normalize(string text)
    {
        if (_map is null || text.Length == 0) return text;
        using var result = new PooledList<byte>(text.Length + 16);
        using var utf8 = new PooledList<byte>(64);
        for (var at = 0; at < text.Length;)
        {
            var length = StringInfo.GetNextTextElementLength(text, at);
            utf8.Clear();
            Utf8.Append(text.AsSpan(at, length), utf8);
            at += length;
            Replace(utf8.Span, result);
        }
        return Encoding.UTF8.GetString(result.Span);
    }

    private void Replace(ReadOnlySpan<byte> cluster, PooledList<byte> result)
    {
        if (cluster.Length < 6 && _map!.Match(cluster, out var whole) > 0)
        {
            result.AddRange(whole);
            return;
        }
        while (cluster.Length > 0)
        {
            var one = cluster[..Math.Min(Utf8.CharLength(cluster[0]), cluster.Length)];
            result.AddRange(_map!.Match(one, out var replacement) > 0 ? replacement : one);
            cluster = cluster[one.Length..];
        }
    }
}
