using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>SentencePiece's normalization: the character map, white space squeezed and escaped as <c>▁</c>, a dummy prefix.</summary>
internal sealed class SentencePieceNormalizer
{
    private readonly SentencePieceModel _model;
    private readonly PrecompiledCharsMap? _map;
    private readonly ByteTrie _userDefined;

    public SentencePieceNormalizer(SentencePieceModel model, ByteTrie userDefined)
    {
        _model = model;
        _userDefined = userDefined;
        try
        {
            if (model.PrecompiledCharsMap.Length > 0) _map = new PrecompiledCharsMap(model.PrecompiledCharsMap);
        }
        catch (FormatException e)
        {
            throw new TokenizerException($"The SentencePiece model cannot be used: {e.Message}.", e);
        }
    }

    /// <summary>Appends the normalized text. The input is valid UTF-8.</summary>
    public void Normalize(ReadOnlySpan<byte> text, PooledList<byte> output, bool addDummyPrefix)
    {
        var squeeze = _model.RemoveExtraWhitespaces;
        if (squeeze)
            while (text.Length > 0)
            {
                var length = Next(text, out var replacement);
                if (!replacement.SequenceEqual(" "u8)) break;
                text = text[length..];
            }
        if (text.IsEmpty) return;

        var start = output.Count;
        if (addDummyPrefix && !_model.TreatWhitespaceAsSuffix) AppendSpace(output);
        var afterSpace = squeeze;
        while (text.Length > 0)
        {
            var length = Next(text, out var replacement);
            while (afterSpace && replacement.Length > 0 && replacement[0] == ' ') replacement = replacement[1..];
            if (replacement.Length > 0)
            {
                Escape(replacement, output);
                afterSpace = replacement[^1] == ' ';
            }
            text = text[length..];
            if (!squeeze) afterSpace = false;
        }
        if (squeeze)
        {
            var space = _model.EscapeWhitespaces ? Utf8.Meta : " "u8;
            while (output.Count - start >= space.Length && output.Span.EndsWith(space)) output.Truncate(output.Count - space.Length);
        }
        if (addDummyPrefix && _model.TreatWhitespaceAsSuffix) AppendSpace(output);
    }

    // User-defined symbols are left as they are.
    private int Next(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        var length = _userDefined.LongestPrefix(text, out _);
        if (length == 0 && _map is not null && (length = _map.Match(text, out replacement)) > 0) return length;
        if (length == 0) length = Math.Min(Utf8.CharLength(text[0]), text.Length);
        replacement = text[..length];
        return length;
    }

    private void Escape(ReadOnlySpan<byte> text, PooledList<byte> output)
    {
        if (!_model.EscapeWhitespaces)
        {
            output.AddRange(text);
            return;
        }
        foreach (var b in text)
            if (b == ' ') output.AddRange(Utf8.Meta);
            else output.Add(b);
    }

    private void AppendSpace(PooledList<byte> output) => output.AddRange(_model.EscapeWhitespaces ? Utf8.Meta : " "u8);
}
