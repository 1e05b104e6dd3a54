using System.Text;

namespace Beam.ML.Vllm.Server.Tools;

/// <summary>
/// The whole answer is a list of calls, as <c>tool_choice: "required"</c> has it written. Each is told when it is complete; one that is cut
/// short is no call, and is left out.
/// </summary>
internal sealed class RequiredToolCallParser : ToolCallParser
{
    private readonly StringBuilder _call = new();
    private int _depth;
    private bool _inString, _escaped;

    public override ParsedText Append(string text, bool ends)
    {
        List<ToolCall>? calls = null;
        foreach (var character in text)
        {
            // Outside of objects there are but the list's own brackets and commas.
            if (_depth > 0 || character == '{') _call.Append(character);
            if (!ClosesObject(character)) continue;
            if (ReadCalls(_call.ToString()) is { } read) (calls ??= []).AddRange(read);
            _call.Clear();
        }

        return new ParsedText("", calls ?? []);
    }

    /// <summary>Follows strings and braces; returns whether an object of the list ends here.</summary>
    private bool ClosesObject(char character)
    {
        if (_inString)
        {
            if (_escaped) _escaped = false;
            else if (character == '\\') _escaped = true;
            else if (character == '"') _inString = false;
            return false;
        }

        switch (character)
        {
            case '"':
                _inString = true;
                return false;
            case '{':
                _depth++;
                return false;
            case '}' when _depth > 0:
                return --_depth == 0;
            default:
                return false;
        }
    }
}
