using System.Text;

namespace Beam.ML.Vllm.Server.Tools;

/// <summary>An answer that is nothing but calls, as Llama 3 writes them: JSON objects, with <c>;</c> between, perhaps after <c>&lt;|python_tag|&gt;</c>.</summary>
internal sealed class LlamaToolCallParser : ToolCallParser
{
    private enum Kind { Unknown, Text, Calls }

    private const string Tag = "<|python_tag|>";

    private readonly StringBuilder _held = new();
    private Kind _kind;

    // Where the first character is that is no blank.
    private int _start;

    public override ParsedText Append(string text, bool ends)
    {
        if (_kind == Kind.Text) return new ParsedText(text, []);
        _held.Append(text);
        if (_kind == Kind.Unknown) _kind = KindOfBeginning();
        if (_kind != Kind.Text && !ends) return new ParsedText("", []);
        var all = _held.ToString();
        _held.Clear();
        var calls = _kind == Kind.Calls ? ReadCalls(all[(_start + (all[_start] == '{' ? 0 : Tag.Length))..]) : null;
        return calls is null ? new ParsedText(all, []) : new ParsedText("", calls);
    }

    /// <summary>What the answer is going to be, as far as its first characters tell.</summary>
    private Kind KindOfBeginning()
    {
        while (_start < _held.Length && char.IsWhiteSpace(_held[_start])) _start++;
        if (_start == _held.Length) return Kind.Unknown;
        if (_held[_start] == '{') return Kind.Calls;
        var beginning = _held.ToString(_start, Math.Min(Tag.Length, _held.Length - _start));
        return beginning == Tag ? Kind.Calls : Tag.StartsWith(beginning, StringComparison.Ordinal) ? Kind.Unknown : Kind.Text;
    }
}
