using System.Collections;
using System.Globalization;
using System.Text.Json;

namespace Beam.ML.Vllm.Arguments;

/// <summary>The value of an argument: text from a command line, or a value from a dictionary.</summary>
internal readonly struct ArgumentValue(string name, object? value)
{
    private static readonly Dictionary<char, long> Units = new()
    {
        ['k'] = 1000, ['m'] = 1000_000, ['g'] = 1000_000_000, ['K'] = 1 << 10, ['M'] = 1 << 20, ['G'] = 1 << 30,
    };

    /// <summary>The name that the value was given under.</summary>
    public string Name => name;

    /// <summary>The value as a command line would write it.</summary>
    public string Text => value switch
    {
        null => throw Wrong("a value"),
        string text => text,
        bool flag => flag ? "true" : "false",
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString()!,
        JsonElement json => json.GetRawText(),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IDictionary map => JsonSerializer.Serialize(map),
        _ => throw Wrong("a text or a number"),
    };

    /// <summary>A flag without a value is set.</summary>
    public bool Bool => value switch
    {
        null or true => true,
        false => false,
        _ => Text.ToLowerInvariant() switch
        {
            "true" or "1" => true,
            "false" or "0" => false,
            _ => throw Wrong("true or false"),
        },
    };

    /// <summary>A whole number, perhaps with a unit: 4k is 4000 and 4K is 4096, as for vLLM.</summary>
    public long Long
    {
        get
        {
            var text = Text;
            var unit = text.Length > 1 && Units.TryGetValue(text[^1], out var found) ? found : 1;
            if (unit == 1) return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) ? whole : throw Wrong("a whole number");
            return double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number * unit < long.MaxValue
                ? (long)(number * unit)
                : throw Wrong("a whole number");
        }
    }

    public int Int => Long is >= int.MinValue and <= int.MaxValue and var number ? (int)number : throw Wrong("a whole number of 32 bits");

    public double Double => double.TryParse(Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : throw Wrong("a number");

    /// <summary>One text or several.</summary>
    public IReadOnlyList<string> List
    {
        get
        {
            var argument = name;
            return value switch
            {
                JsonElement { ValueKind: JsonValueKind.Array } json => [.. json.EnumerateArray().Select(item => new ArgumentValue(argument, item).Text)],
                IEnumerable items and not string and not IDictionary => [.. items.Cast<object?>().Select(item => new ArgumentValue(argument, item).Text)],
                _ => [Text],
            };
        }
    }

    /// <summary>A JSON object, or its text.</summary>
    public JsonElement Object
    {
        get
        {
            try
            {
                using var document = JsonDocument.Parse(Text);
                return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : throw Wrong("a JSON object");
            }
            catch (JsonException e)
            {
                throw new ArgumentException($"{name} must be a JSON object: {e.Message}", e);
            }
        }
    }

    public T OneOf<T>(params ReadOnlySpan<(string Word, T Value)> choices)
    {
        var text = Text;
        foreach (var (word, choice) in choices)
            if (word == text) return choice;
        throw Wrong($"one of {string.Join(", ", choices.ToArray().Select(choice => choice.Word))}");
    }

    public ArgumentException Wrong(string expected) => new($"{name} must be {expected}{(value is null ? "" : $", got {value}")}.");
}
