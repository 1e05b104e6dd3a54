using System.Runtime.InteropServices;
using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>Whether a value of <c>enum</c> or <c>const</c> holds what else its schema says.</summary>
internal static class ValueCheck
{
    public static bool Fits(JsonElement value, SchemaKeywords schema)
    {
        schema.Work.Charge(JsonMarshal.GetRawUtf8Value(value).Length);
        var type = TypeOf(value);
        if (!schema.Types.Contains(type) && !(type == "integer" && schema.Types.Contains("number")) && !schema.IsFreeOfTypes) return false;
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return schema is { MinLength: 0, MaxLength: null, Patterns.Count: 0, Formats.Count: 0 } || schema.Texts.Matches(value.GetString()!, schema.Work);
            case JsonValueKind.Number:
                if (!Decimals.TryParse(value.GetRawText(), out var number)) throw schema.Error("a number in enum or const has too many digits");
                if (schema.Multiples.Count > 0) throw schema.Error("multipleOf is not supported beside enum or const");
                return schema.Minima.TrueForAll(m => number.CompareTo(m.Value) is var order && (order > 0 || (order == 0 && !m.Exclusive)))
                    && schema.Maxima.TrueForAll(m => number.CompareTo(m.Value) is var order && (order < 0 || (order == 0 && !m.Exclusive)));
            case JsonValueKind.Object or JsonValueKind.Array when schema.HasContentKeywords(type):
                throw schema.Error($"keywords for the content of {type}s are not supported beside enum or const");
            default:
                return true;
        }
    }

    public static string TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => "null",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        JsonValueKind.String => "string",
        JsonValueKind.Array => "array",
        JsonValueKind.Object => "object",
        _ => Decimals.TryParse(value.GetRawText(), out var number) && number.Fraction.Length == 0 ? "integer" : "number",
    };
}
