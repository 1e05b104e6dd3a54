using System.Text;

namespace Beam.ML.Vllm.Server.Tools;

/// <summary>Calls between <c>&lt;tool_call&gt;</c> tags, as Hermes and Qwen models write them.</summary>
internal sealed class HermesToolCallParser : ToolCallParser
{
    // A tag has its '<' at its start alone: what does not go on with one can but begin it.
    private const string Start = "<tool_call>";
    private const string End = "</tool_call>";

    private readonly StringBuilder _call = new();
    private bool _inCall;

    // Line breaks between calls belong to neither.
    private bool _skipsSpace;

    // How much has come of the tag that is looked for.
    private int _matched;

    public override ParsedText Append(string text, bool ends)
    {
        var content = new StringBuilder();
        var calls = new List<ToolCall>();
        foreach (var character in text)
        {
            if (!_inCall) TakeOfText(character, content);
            else if (EndsCall(character)) TakeCall(End, content, calls);
        }

        if (ends && _inCall) TakeCall("", content, calls);
        else if (ends) content.Append(Start, 0, _matched);
        return new ParsedText(content.ToString(), calls);
    }

    private void TakeOfText(char character, StringBuilder content)
    {
        if (_skipsSpace && char.IsWhiteSpace(character)) return;
        _skipsSpace = false;
        if (character == Start[_matched])
        {
            if (++_matched == Start.Length) (_inCall, _matched) = (true, 0);
            return;
        }

        content.Append(Start, 0, _matched);
        _matched = character == Start[0] ? 1 : 0;
        if (_matched == 0) content.Append(character);
    }

    private bool EndsCall(char character)
    {
        _call.Append(character);
        _matched = character == End[_matched] ? _matched + 1 : character == End[0] ? 1 : 0;
        return _matched == End.Length;
    }

    private void TakeCall(string end, StringBuilder content, List<ToolCall> calls)
    {
        var call = _call.ToString(0, _call.Length - end.Length);
        if (ReadCalls(call) is { } read)
        {
            calls.AddRange(read);
            _skipsSpace = true;
        }
        else
        {
            content.Append(Start).Append(call).Append(end);
        }

        _call.Clear();
        (_inCall, _matched) = (false, 0);
    }
}
