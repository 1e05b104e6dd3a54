using System.Text;

namespace Beam.ML.Vllm.Server.Tools;

/// <summary>Calls between <c>&lt;tool_call&gt;</c> tags, as Hermes and Qwen models write them.</summary>
internal sealed class HermesToolCallParser : ToolCallParser
{
    private const string Start = "<tool_call>";
    private const string End = "</tool_call>";

    private string _pending = "";
    private bool _inCall;
    private bool _hadCall;

    public override ParsedText Append(string text, bool ends)
    {
        _pending += text;
        var content = new StringBuilder();
        var calls = new List<ToolCall>();
        while (_inCall ? TakeCall(content, calls, ends) : TakeText(content, ends))
        {
        }

        return new ParsedText(content.ToString(), calls);
    }

    /// <summary>Takes text up to the next call; returns whether one begins.</summary>
    private bool TakeText(StringBuilder content, bool ends)
    {
        // Line breaks between calls belong to neither.
        if (_hadCall) _pending = _pending.TrimStart();
        var start = _pending.IndexOf(Start, StringComparison.Ordinal);
        var length = start >= 0 ? start : _pending.Length - (ends ? 0 : HeldBack());
        content.Append(_pending, 0, length);
        _pending = _pending[(start >= 0 ? start + Start.Length : length)..];
        _inCall = start >= 0;
        return _inCall;
    }

    /// <summary>Takes a call to its end; returns whether it has one.</summary>
    private bool TakeCall(StringBuilder content, List<ToolCall> calls, bool ends)
    {
        var end = _pending.IndexOf(End, StringComparison.Ordinal);
        if (end < 0 && !ends) return false;
        var call = end < 0 ? _pending : _pending[..end];
        if (ReadCalls(call) is { } read) calls.AddRange(read);
        else content.Append(Start).Append(call).Append(end < 0 ? "" : End);
        _hadCall |= calls.Count > 0;
        _pending = end < 0 ? "" : _pending[(end + End.Length)..];
        _inCall = false;
        return _pending.Length > 0;
    }

    /// <summary>Characters at the end that a tag may begin with.</summary>
    private int HeldBack()
    {
        for (var length = Math.Min(Start.Length - 1, _pending.Length); length > 0; length--)
            if (_pending.EndsWith(Start[..length], StringComparison.Ordinal)) return length;
        return 0;
    }
}
