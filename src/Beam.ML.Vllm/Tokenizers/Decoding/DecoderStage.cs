using System.Buffers;
using System.Text;
using Beam.ML.Vllm.Tokenizers.PreTokenizers;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>
/// One decoder of a chain, as a stream: it gets tokens one by one and hands text on as soon as no later token can change it.
/// </summary>
internal abstract class DecoderStage(DecoderStage? next)
{
    protected DecoderStage Next => next!;

    public abstract void Push(ReadOnlySpan<byte> token);

    /// <summary>No more tokens come.</summary>
    public virtual void Flush() => Next.Flush();

    protected void Hand(string text)
    {
        if (text.Length > 0) Next.Push(Encoding.UTF8.GetBytes(text));
    }
}

/// <summary>Without a decoder, tokens are set apart by spaces.</summary>
internal sealed class JoinStage(DecoderStage next) : DecoderStage(next)
{
    private bool _any;

    public override void Push(ReadOnlySpan<byte> token)
    {
        if (_any) Next.Push(" "u8);
        _any = true;
        Next.Push(token);
    }
}

/// <summary>GPT-2's byte alphabet back to bytes.</summary>
internal sealed class ByteLevelStage(DecoderStage next) : DecoderStage(next)
{
    public override void Push(ReadOnlySpan<byte> token)
    {
        using var bytes = new PooledList<byte>(token.Length + 16);
        ByteAlphabet.Decode(token, bytes);
        if (bytes.Count > 0) Next.Push(bytes.Span);
    }
}

/// <summary>Replaces a pattern within each token.</summary>
internal sealed class ReplaceStage(Func<string, string> replace, byte[]? literal, DecoderStage next) : DecoderStage(next)
{
    public override void Push(ReadOnlySpan<byte> token)
    {
        if (literal is not null && token.IndexOf(literal) < 0) Next.Push(token);
        else Hand(replace(Encoding.UTF8.GetString(token)));
    }
}

/// <summary>Tokens like <c>&lt;0xE2&gt;</c> are bytes: a run of them is text if all of it is UTF-8, else a U+FFFD for each.</summary>
internal sealed class ByteFallbackStage(DecoderStage next) : DecoderStage(next)
{
    private readonly List<byte> _run = [];

    public override void Push(ReadOnlySpan<byte> token)
    {
        if (TryParse(token, out var value))
        {
            _run.Add(value);
            return;
        }
        EndRun();
        Next.Push(token);
    }

    public override void Flush()
    {
        EndRun();
        base.Flush();
    }

    private void EndRun()
    {
        if (_run.Count == 0) return;
        var bytes = _run.ToArray();
        _run.Clear();
        if (Utf8.IsValid(bytes)) Next.Push(bytes);
        else
            foreach (var _ in bytes) Next.Push(Utf8.Replacement);
    }

    public static bool TryParse(ReadOnlySpan<byte> token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x"u8) && token[5] == '>' &&
            System.Buffers.Text.Utf8Parser.TryParse(token[3..5], out value, out var used, 'X') && used == 2;
    }
}

/// <summary>Makes one token of all: nothing goes on before the end. Used where a later stage needs the whole.</summary>
internal sealed class CollectStage(DecoderStage next) : DecoderStage(next)
{
    private readonly List<byte> _all = [];

    public override void Push(ReadOnlySpan<byte> token) => _all.AddRange(token);

    public override void Flush()
    {
        Next.Push(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_all));
        base.Flush();
    }
}

/// <summary>Strips a character from the start and the end of each token.</summary>
internal sealed class StripStage(byte[] content, int start, int stop, DecoderStage next) : DecoderStage(next)
{
    public override void Push(ReadOnlySpan<byte> token)
    {
        for (var i = 0; i < start && token.StartsWith(content); i++) token = token[content.Length..];
        for (var i = 0; i < stop && token.EndsWith(content); i++) token = token[..^content.Length];
        if (token.Length > 0) Next.Push(token);
    }
}

/// <summary>Strips a one-byte character from the start and the end of one token that arrives in parts.</summary>
internal sealed class StripPartsStage(byte content, int start, int stop, DecoderStage next) : DecoderStage(next)
{
    private int _toStrip = start;
    private int _held;

    public override void Push(ReadOnlySpan<byte> token)
    {
        while (_toStrip > 0 && token.Length > 0)
        {
            if (token[0] != content) _toStrip = 0;
            else
            {
                token = token[1..];
                _toStrip--;
            }
        }
        if (token.IsEmpty) return;
        var tail = stop == 0 ? 0 : token.Length - (token.LastIndexOfAnyExcept(content) + 1);
        if (tail < token.Length) Release(_held);
        else tail += _held;
        var keep = Math.Min(tail, stop);
        if (tail > token.Length)
        {
            // All of it is strippable, with what was held before.
            Release(tail - keep);
        }
        else if (token.Length - keep > 0) Next.Push(token[..^keep]);
        _held = keep;
    }

    private void Release(int count)
    {
        for (; count > 0; count--) Next.Push([content]);
    }
}

/// <summary>Writes <c>▁</c> as a space; those of the first token go where one was put before the text.</summary>
internal sealed class MetaspaceStage(string replacement, bool dropFirst, DecoderStage next) : DecoderStage(next)
{
    private bool _dropNow = dropFirst;

    public override void Push(ReadOnlySpan<byte> token)
    {
        Hand(Encoding.UTF8.GetString(token).Replace(replacement, _dropNow ? "" : " ", StringComparison.Ordinal));
        _dropNow = false;
    }
}

/// <summary>Joins WordPiece tokens: those without the prefix start a word.</summary>
internal sealed class WordPieceStage(string prefix, bool cleanUp, DecoderStage next) : DecoderStage(next)
{
    private bool _any;

    public override void Push(ReadOnlySpan<byte> token)
    {
        var text = Encoding.UTF8.GetString(token);
        if (_any) text = prefix.Length > 0 && text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : " " + text;
        _any = true;
        Hand(cleanUp ? CleanUp(text) : text);
    }

    public static string CleanUp(string text) => text
        .Replace(" .", ".", StringComparison.Ordinal).Replace(" ?", "?", StringComparison.Ordinal).Replace(" !", "!", StringComparison.Ordinal)
        .Replace(" ,", ",", StringComparison.Ordinal).Replace(" ' ", "'", StringComparison.Ordinal).Replace(" n't", "n't", StringComparison.Ordinal)
        .Replace(" 'm", "'m", StringComparison.Ordinal).Replace(" do not", " don't", StringComparison.Ordinal).Replace(" 's", "'s", StringComparison.Ordinal)
        .Replace(" 've", "'ve", StringComparison.Ordinal).Replace(" 're", "'re", StringComparison.Ordinal);
}

/// <summary>A suffix marks the end of a word: a space, but for the last token.</summary>
internal sealed class BpeSuffixStage(string suffix, DecoderStage next) : DecoderStage(next)
{
    private string? _held;

    public override void Push(ReadOnlySpan<byte> token)
    {
        if (_held is not null) Hand(Replace(_held, " "));
        _held = Encoding.UTF8.GetString(token);
    }

    public override void Flush()
    {
        if (_held is not null) Hand(Replace(_held, ""));
        base.Flush();
    }

    private string Replace(string token, string by) => suffix.Length == 0 ? token : token.Replace(suffix, by, StringComparison.Ordinal);
}

/// <summary>Connectionist temporal classification: repeated tokens are one, padding goes.</summary>
internal sealed class CtcStage(string pad, string delimiter, bool cleanUp, DecoderStage next) : DecoderStage(next)
{
    private string? _last;

    public override void Push(ReadOnlySpan<byte> token)
    {
        var text = Encoding.UTF8.GetString(token);
        if (text == _last) return;
        _last = text;
        if (pad.Length > 0) text = text.Replace(pad, "", StringComparison.Ordinal);
        if (cleanUp)
        {
            text = WordPieceStage.CleanUp(text);
            if (delimiter.Length > 0) text = text.Replace(delimiter, " ", StringComparison.Ordinal);
        }
        Hand(text);
    }
}
