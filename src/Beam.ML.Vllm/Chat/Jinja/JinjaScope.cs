namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Variables, and those around them.</summary>
internal sealed class JinjaScope(JinjaScope? outer)
{
    private Dictionary<string, object>? _variables;

    public object? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
            if (scope._variables is not null && scope._variables.TryGetValue(name, out var value)) return value;
        return null;
    }

    public JinjaScope? Outer { get; } = outer;

    public void Set(string name, object value) => (_variables ??= new(StringComparer.Ordinal))[name] = value;

    /// <summary>Forgets the variables of this scope, for the next round of a loop.</summary>
    public void Clear() => _variables?.Clear();
}
