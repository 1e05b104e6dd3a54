using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Beam.ML.Vllm.Chat.Jinja;

// A value is a bool, long, double, string, List<object>, JinjaTuple, JinjaDict, JinjaNone, JinjaUndefined, JinjaNamespace or JinjaFunction.
// It is never null.

/// <summary>Python's None.</summary>
internal sealed class JinjaNone
{
    public static JinjaNone Value { get; } = new();

    private JinjaNone() { }
}

/// <summary>What a missing variable or attribute is: empty when printed or walked through, an error when used otherwise.</summary>
internal sealed record JinjaUndefined(string Message)
{
    public ChatTemplateException Error => new(Message);
}

internal sealed record JinjaTuple(IReadOnlyList<object> Items);

/// <summary>A dictionary in the order of insertion, with Python's equality of keys; looking them up is counted.</summary>
internal sealed class JinjaDict(JinjaLimits limits)
{
    private readonly OrderedDictionary<object, object> _items = new(new KeyComparer(limits));

    public int Count => _items.Count;

    public IEnumerable<object> Keys => _items.Keys;

    public IEnumerable<object> Values => _items.Values;

    public IEnumerable<KeyValuePair<object, object>> Items => _items;

    public object this[object key]
    {
        set
        {
            if (key is List<object> or JinjaDict) throw KeyComparer.Unhashable(key);
            _items[key] = value;
        }
    }

    public bool TryGet(object key, out object value) => _items.TryGetValue(key, out value!);

    private sealed class KeyComparer(JinjaLimits limits) : IEqualityComparer<object>
    {
        public static ChatTemplateException Unhashable(object key) => new($"unhashable type: '{PythonObject.TypeName(key)}'");

        public new bool Equals(object? a, object? b) => PythonObject.AreEqual(a!, b!, limits);

        public int GetHashCode(object key)
        {
            limits.Step();
            switch (key)
            {
                case string text:
                    limits.Read(text.Length);
                    return text.GetHashCode(StringComparison.Ordinal);
                case JinjaTuple tuple:
                    limits.EnterValue();
                    var hash = new HashCode();
                    foreach (var item in tuple.Items) hash.Add(GetHashCode(item));
                    limits.Leave();
                    return hash.ToHashCode();
                case List<object> or JinjaDict:
                    throw Unhashable(key);
                case JinjaUndefined:
                    return 0;
                default:
                    return PythonObject.AsNumber(key) is { } number ? number.GetHashCode() : RuntimeHelpers.GetHashCode(key);
            }
        }
    }
}

/// <summary>What <c>namespace()</c> makes: the one thing whose attributes a template can set.</summary>
internal sealed class JinjaNamespace
{
    public Dictionary<string, object> Attributes { get; } = new(StringComparer.Ordinal);
}

/// <summary>A macro, a method or a function of the environment.</summary>
internal sealed record JinjaFunction(string Name, Func<CallArguments, object> Invoke)
{
    public IReadOnlyDictionary<string, object>? Attributes { get; init; }
}

/// <summary>Evaluated arguments.</summary>
internal sealed record CallArguments(string Callee, IReadOnlyList<object> Positional, IReadOnlyDictionary<string, object> Named, JinjaLimits Limits)
{
    /// <summary>The argument at a place or of a name, or null if it is not given.</summary>
    public object? Find(int index, string name) => index < Positional.Count ? Positional[index] : Named.GetValueOrDefault(name);

    public object Get(int index, string name) => Find(index, name) ?? throw new ChatTemplateException($"{Callee}() needs the argument '{name}'");

    public string Text(int index, string name) => Get(index, name) as string ?? throw new ChatTemplateException($"{Callee}() needs a text as '{name}'");

    public string Text(int index, string name, string otherwise) => Find(index, name) is null or JinjaNone ? otherwise : Text(index, name);

    public long Integer(int index, string name, long otherwise) => Find(index, name) switch
    {
        null or JinjaNone => otherwise,
        bool b => b ? 1 : 0,
        long l => l,
        _ => throw new ChatTemplateException($"{Callee}() needs a whole number as '{name}'"),
    };

    public bool Flag(int index, string name, bool otherwise) => Find(index, name) is { } value ? PythonObject.IsTrue(value) : otherwise;
}

/// <summary>Conversion from JSON.</summary>
internal static class JinjaValues
{
    public static object FromJson(JsonElement json, JinjaLimits limits)
    {
        limits.EnterValue();
        object value = json.ValueKind switch
        {
            JsonValueKind.String => json.GetString()!,
            JsonValueKind.Number when json.TryGetInt64(out var integer) && json.GetRawText().AsSpan().IndexOfAny('.', 'e', 'E') < 0 => integer,
            JsonValueKind.Number => (object)json.GetDouble(),
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.Array => json.EnumerateArray().Select(item => FromJson(item, limits)).ToList(),
            JsonValueKind.Object => Dict(json, limits),
            _ => JinjaNone.Value,
        };
        limits.Leave();
        return value;
    }

    private static JinjaDict Dict(JsonElement json, JinjaLimits limits)
    {
        var dict = new JinjaDict(limits);
        foreach (var property in json.EnumerateObject()) dict[property.Name] = FromJson(property.Value, limits);
        return dict;
    }
}
