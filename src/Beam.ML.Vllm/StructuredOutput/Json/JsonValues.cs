using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>Values that are equal as JSON: numbers by what they are, objects whatever the order of their properties.</summary>
internal sealed class JsonValues(WorkBudget work) : IEqualityComparer<JsonElement>
{
    public bool Equals(JsonElement x, JsonElement y)
    {
        work.Charge(4);
        return JsonElement.DeepEquals(x, y);
    }

    public int GetHashCode(JsonElement value)
    {
        work.Charge(1);
        return value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!.GetHashCode(StringComparison.Ordinal),
            JsonValueKind.Number => value.TryGetDouble(out var number) ? number.GetHashCode() : 0,
            JsonValueKind.Array => value.EnumerateArray().Aggregate(1, (hash, item) => HashCode.Combine(hash, GetHashCode(item))),
            JsonValueKind.Object => value.EnumerateObject().Aggregate(2, (hash, property) => hash + HashCode.Combine(property.Name, GetHashCode(property.Value))),
            var kind => (int)kind,
        };
    }
}
