using System.Text;
using Beam.ML.Vllm.Tokenizers.Decoding;

namespace Beam.ML.Vllm.Tokenizers;

/// <summary>
/// Decodes one request's tokens as they are generated. All that <see cref="Append"/> and <see cref="Flush"/> return, joined,
/// is what decoding the whole sequence gives after the prompt's text.
/// </summary>
public sealed class IncrementalDetokenizer
{
    // A first token may lose its space and a character may straddle tokens: so many of the prompt's last tokens settle both.
    private const int ContextTokens = 32;

    private readonly TokenStream _stream;
    private readonly StringBuilder _text = new();

    /// <summary>Starts after a prompt, whose own text is not returned.</summary>
    public IncrementalDetokenizer(Tokenizer tokenizer, ReadOnlySpan<int> promptIds, bool skipSpecialTokens = true)
    {
        _stream = StreamAfter(tokenizer, promptIds, skipSpecialTokens);
    }

    /// <summary>A stream that stands where a prompt ends.</summary>
    internal static TokenStream StreamAfter(Tokenizer tokenizer, ReadOnlySpan<int> promptIds, bool skipSpecialTokens)
    {
        var stream = tokenizer.CreateStream(skipSpecialTokens);
        foreach (var id in promptIds[Math.Max(0, promptIds.Length - ContextTokens)..]) stream.Push(id);
        stream.Output.Take();
        return stream;
    }

    /// <summary>Adds a generated token and returns the text that it finishes: possibly none, never half a character.</summary>
    public string Append(int id)
    {
        _stream.Push(id);
        return Take();
    }

    /// <summary>Ends the sequence and returns what was held back: an unfinished character comes out as U+FFFD.</summary>
    public string Flush()
    {
        _stream.Flush();
        return Take();
    }

    /// <summary>All text returned so far.</summary>
    public string Text => _text.ToString();

    /// <summary>The length of <see cref="Text"/> in UTF-16 code units, without building it.</summary>
    public int Length => _text.Length;

    private string Take()
    {
        var text = _stream.Output.Take();
        _text.Append(text);
        return text;
    }
}
