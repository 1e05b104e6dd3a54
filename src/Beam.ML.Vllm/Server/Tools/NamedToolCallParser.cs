namespace Beam.ML.Vllm.Server.Tools;

/// <summary>The whole answer is the arguments of the one tool that the request names: the call is told with the first piece, and goes on with the others.</summary>
internal sealed class NamedToolCallParser(string name) : ToolCallParser
{
    private bool _isTold;

    public override ParsedText Append(string text, bool ends)
    {
        if (_isTold) return new ParsedText("", [], text);
        _isTold = true;
        return new ParsedText("", [new ToolCall(name, text)]);
    }
}
