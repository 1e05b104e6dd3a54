namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Variables, and those around them.</summary>
internal sealed class JinjaScope(JinjaScope? outer)
{
    private const int Few = 32;

    private readonly JinjaScope? _outer = outer;
    private Dictionary<string, object>? _variables;

    public object? Find(string name, JinjaLimits limits)
    {
        for (var scope = this; scope is not null; scope = scope._outer)
        {
            limits.Touch();
            if (scope._variables is not null && scope._variables.TryGetValue(name, out var value)) return value;
        }

        return null;
    }

    public void Set(string name, object value) => (_variables ??= new(StringComparer.Ordinal))[name] = value;

    /// <summary>Forgets the variables of this scope, for the next round of a loop.</summary>
    public void Clear()
    {
        // To clear a dictionary takes as long as it once was large.
        if (_variables is { Count: > Few }) _variables = null;
        else _variables?.Clear();
    }
}
