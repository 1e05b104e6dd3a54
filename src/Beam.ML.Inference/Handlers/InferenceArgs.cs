using System.Collections;
using System.Globalization;
using System.Text.Json;

namespace Beam.ML.Inference;

/// <summary>
/// Arguments of an inference beside the example, by the names that the handler knows: <c>new() { ["max_tokens"] = 64 }</c>. Values are
/// what JSON can say: strings, numbers, booleans, null, lists and dictionaries of those, or a <see cref="JsonElement"/>.
/// </summary>
/// <remarks>A handler refuses arguments that it does not know when the pipeline is built: see <see cref="InferenceHandler{TExample,TPrediction}.InferenceArgNames"/>.</remarks>
public sealed class InferenceArgs : IEnumerable<KeyValuePair<string, object?>>
{
    /// <summary>Lists and dictionaries within each other.</summary>
    private const int MaxDepth = 32;

    private readonly SortedDictionary<string, object?> values = new(StringComparer.Ordinal);

    /// <summary>No arguments.</summary>
    public static InferenceArgs Empty => [];

    /// <summary>The names of the arguments.</summary>
    public IEnumerable<string> Names => values.Keys;

    /// <summary>How many arguments there are.</summary>
    public int Count => values.Count;

    /// <summary>The value of an argument; null if it is not given.</summary>
    /// <exception cref="ArgumentException">The value is of a type that an argument cannot have.</exception>
    public object? this[string name]
    {
        get => values.GetValueOrDefault(name);
        set => values[name] = Normalize(name, value);
    }

    /// <summary>Adds an argument.</summary>
    /// <exception cref="ArgumentException">It is given twice, or its value is of a type that an argument cannot have.</exception>
    public void Add(string name, object? value) => values.Add(name, Normalize(name, value));

    /// <summary>Whether the argument is given, though it may be null.</summary>
    public bool Contains(string name) => values.ContainsKey(name);

    /// <summary>The argument as a number; null if it is not given.</summary>
    /// <exception cref="ArgumentException">It is not a number.</exception>
    public double? GetDouble(string name) => this[name] switch
    {
        null => null,
        double d => d,
        long l => l,
        var other => throw Wrong(name, "a number", other),
    };

    /// <summary>The argument as an integer; null if it is not given.</summary>
    /// <exception cref="ArgumentException">It is not an integer.</exception>
    public long? GetInt64(string name) => this[name] switch
    {
        null => null,
        long l => l,
        double d when d == Math.Floor(d) && Math.Abs(d) < 1L << 53 => (long)d,
        var other => throw Wrong(name, "an integer", other),
    };

    /// <summary>The argument as an integer; null if it is not given.</summary>
    /// <exception cref="ArgumentException">It is not an integer of 32 bits.</exception>
    public int? GetInt32(string name) => GetInt64(name) switch
    {
        null => null,
        >= int.MinValue and <= int.MaxValue and var value => (int)value,
        var other => throw Wrong(name, "an integer of 32 bits", other),
    };

    /// <summary>The argument as a truth value; null if it is not given.</summary>
    /// <exception cref="ArgumentException">It is not a truth value.</exception>
    public bool? GetBoolean(string name) => this[name] switch
    {
        null => null,
        bool b => b,
        var other => throw Wrong(name, "true or false", other),
    };

    /// <summary>The argument as a string; null if it is not given.</summary>
    /// <exception cref="ArgumentException">It is not a string.</exception>
    public string? GetString(string name) => this[name] switch
    {
        null => null,
        string s => s,
        var other => throw Wrong(name, "a string", other),
    };

    /// <summary>The argument as a list, where a single string counts as a list of one; null if it is not given.</summary>
    /// <exception cref="ArgumentException">It is not a list of strings.</exception>
    public IReadOnlyList<string>? GetStrings(string name) => this[name] switch
    {
        null => null,
        string s => [s],
        object?[] list when list.All(item => item is string) => [.. list.Cast<string>()],
        var other => throw Wrong(name, "a list of strings", other),
    };

    /// <summary>The argument as a list of integers; null if it is not given.</summary>
    /// <exception cref="ArgumentException">It is not a list of integers.</exception>
    public IReadOnlyList<int>? GetInt32s(string name) => this[name] switch
    {
        null => null,
        object?[] list when list.All(item => item is long and >= int.MinValue and <= int.MaxValue) => [.. list.Select(item => (int)(long)item!)],
        var other => throw Wrong(name, "a list of integers", other),
    };

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The arguments as a JSON object; the empty string if there are none.</summary>
    internal string ToJson()
    {
        if (values.Count == 0) return "";
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            WriteObject(writer, values);
        }

        return System.Text.Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="FormatException">The text is not a JSON object of values that arguments can have.</exception>
    internal static InferenceArgs FromJson(string json)
    {
        var args = new InferenceArgs();
        if (json.Length == 0) return args;
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxDepth + 2 });
            foreach (var property in document.RootElement.EnumerateObject()) args.values[property.Name] = Read(property.Value);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException($"The inference arguments are not a JSON object: {e.Message}", e);
        }

        return args;
    }

    private static object? Normalize(string name, object? value, int depth = 0) => value switch
    {
        null or string or bool or long => value,
        int or short or byte or sbyte or ushort or uint => Convert.ToInt64(value, CultureInfo.InvariantCulture),
        double d when double.IsFinite(d) => d,
        float f when float.IsFinite(f) => double.Parse(f.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture),
        _ when depth > MaxDepth => throw new ArgumentException($"The inference argument '{name}' has lists and dictionaries over {MaxDepth} deep."),
        JsonElement json => Normalize(name, Read(json), depth + 1),
        IDictionary map => NormalizeMap(name, map, depth),
        IEnumerable list => list.Cast<object?>().Select(item => Normalize(name, item, depth + 1)).ToArray(),
        _ => throw Unsupported(name, value),
    };

    private static SortedDictionary<string, object?> NormalizeMap(string name, IDictionary map, int depth)
    {
        var result = new SortedDictionary<string, object?>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in map)
        {
            // As in JSON, keys are strings: of numbers, such as the token ids of logit_bias, what they are written as.
            var key = entry.Key is string or int or long ? Convert.ToString(entry.Key, CultureInfo.InvariantCulture)! : throw Unsupported(name, entry.Key);
            result[key] = Normalize(name, entry.Value, depth + 1);
        }

        return result;
    }

    private static void WriteObject(Utf8JsonWriter writer, SortedDictionary<string, object?> map)
    {
        writer.WriteStartObject();
        foreach (var (name, value) in map)
        {
            writer.WritePropertyName(name);
            Write(writer, value);
        }

        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null: writer.WriteNullValue(); break;
            case string s: writer.WriteStringValue(s); break;
            case bool b: writer.WriteBooleanValue(b); break;
            case long l: writer.WriteNumberValue(l); break;
            case double d:
                // A double stays one on the other side.
                var text = d.ToString("R", CultureInfo.InvariantCulture);
                writer.WriteRawValue(text.AsSpan().IndexOfAny('.', 'E') < 0 ? text + ".0" : text);
                break;
            case object?[] list:
                writer.WriteStartArray();
                foreach (var item in list) Write(writer, item);
                writer.WriteEndArray();
                break;
            case SortedDictionary<string, object?> map: WriteObject(writer, map); break;
        }
    }

    private static object? Read(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.GetRawText().AsSpan().IndexOfAny('.', 'e', 'E') < 0 && element.TryGetInt64(out var l) ? (object)l : element.GetDouble(),
        JsonValueKind.Array => element.EnumerateArray().Select(Read).ToArray(),
        JsonValueKind.Object => new SortedDictionary<string, object?>(element.EnumerateObject().ToDictionary(p => p.Name, p => Read(p.Value)), StringComparer.Ordinal),
        _ => throw new FormatException("An inference argument cannot be an undefined JsonElement."),
    };

    private static ArgumentException Wrong(string name, string expected, object? found) =>
        new($"The inference argument '{name}' must be {expected}, not {Describe(found)}.");

    private static ArgumentException Unsupported(string name, object? value) =>
        new($"The inference argument '{name}' has a value of type {value?.GetType().Name}; arguments are strings, finite numbers, true, false, null, and lists and dictionaries of those.");

    private static string Describe(object? value) => value switch
    {
        null => "null",
        string s => $"'{s}'",
        object?[] => "a list",
        IDictionary => "a dictionary",
        _ => string.Create(CultureInfo.InvariantCulture, $"{value}"),
    };
}
