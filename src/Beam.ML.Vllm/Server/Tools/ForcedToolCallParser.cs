using System.Text;

namespace Beam.ML.Vllm.Server.Tools;

/// <summary>The whole answer is the arguments of the one tool that the request names.</summary>
internal sealed class NamedToolCallParser(string name) : ToolCallParser
{
    private readonly StringBuilder _arguments = new();

    public override ParsedText Append(string text, bool ends)
    {
        _arguments.Append(text);
        return new ParsedText("", ends ? [new ToolCall(name, _arguments.ToString())] : []);
    }
}

/// <summary>The whole answer is a list of calls, as <c>tool_choice: "required"</c> has it written.</summary>
internal sealed class RequiredToolCallParser : ToolCallParser
{
    private readonly StringBuilder _calls = new();

    public override ParsedText Append(string text, bool ends)
    {
        _calls.Append(text);
        if (!ends) return new ParsedText("", []);
        var all = _calls.ToString();
        // One that was cut short is no list.
        return ReadCalls(all) is { } calls ? new ParsedText("", calls) : new ParsedText(all, []);
    }
}
