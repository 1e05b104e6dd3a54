namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>The variable <c>loop</c> within a loop.</summary>
internal sealed class LoopState(IReadOnlyList<object> items, int depth, Func<CallArguments, object>? recurse)
{
    private object? _lastChanged;

    public int Index { get; set; }

    /// <summary>In a recursive loop, <c>loop(items)</c> runs its body over other items.</summary>
    public Func<CallArguments, object>? Recurse => recurse;

    public object? Attribute(string name) => name switch
    {
        "index" => (long)Index + 1,
        "index0" => (long)Index,
        "revindex" => (long)items.Count - Index,
        "revindex0" => (long)items.Count - Index - 1,
        "first" => Index == 0,
        "last" => Index == items.Count - 1,
        "length" => (long)items.Count,
        "depth" => (long)depth + 1,
        "depth0" => (long)depth,
        "previtem" => Index > 0 ? items[Index - 1] : new JinjaUndefined("there is no previous item"),
        "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new JinjaUndefined("there is no next item"),
        "cycle" => new JinjaFunction("cycle", a => a.Positional.Count > 0 ? a.Positional[Index % a.Positional.Count] : throw new ChatTemplateException("no items for cycling given")),
        "changed" => new JinjaFunction("changed", Changed),
        _ => null,
    };

    private object Changed(CallArguments arguments)
    {
        var now = new JinjaTuple(arguments.Positional);
        var changed = _lastChanged is null || !PythonObject.AreEqual(_lastChanged, now, arguments.Limits);
        _lastChanged = now;
        return changed;
    }
}
