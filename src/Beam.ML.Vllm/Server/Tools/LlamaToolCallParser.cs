using System.Text;

namespace Beam.ML.Vllm.Server.Tools;

/// <summary>An answer that is nothing but calls, as Llama 3 writes them: JSON objects, with <c>;</c> between, perhaps after <c>&lt;|python_tag|&gt;</c>.</summary>
internal sealed class LlamaToolCallParser : ToolCallParser
{
    private const string Tag = "<|python_tag|>";

    private readonly StringBuilder _held = new();
    private bool _isText;

    public override ParsedText Append(string text, bool ends)
    {
        if (_isText) return new ParsedText(text, []);
        _held.Append(text);
        var all = _held.ToString();
        if (!ends && MayBeCalls(all.TrimStart())) return new ParsedText("", []);
        _isText = true;
        _held.Clear();
        var trimmed = all.Trim();
        var calls = ReadCalls(trimmed.StartsWith(Tag, StringComparison.Ordinal) ? trimmed[Tag.Length..] : trimmed);
        return calls is null ? new ParsedText(all, []) : new ParsedText("", calls);
    }

    private static bool MayBeCalls(string text) =>
        text.Length == 0 || text[0] == '{' || text.StartsWith(Tag, StringComparison.Ordinal) || Tag.StartsWith(text, StringComparison.Ordinal);
}
