using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Reads what form the answer must have: OpenAI's <c>response_format</c>, beside vLLM's <c>structured_outputs</c> among the sampling parameters.</summary>
internal static class OutputConstraint
{
    /// <summary>Adds what <c>response_format</c> says.</summary>
    /// <exception cref="ApiException">The format is malformed or unknown, or does not go with another constraint.</exception>
    public static SamplingParams Read(JsonFields fields, SamplingParams parameters)
    {
        if (fields.Object("response_format") is not { } format) return WithoutIdlePattern(parameters);
        StructuredOutputsParams constraint;
        switch (format.String("type"))
        {
            case "text":
                return WithoutIdlePattern(parameters);
            case "json_object":
                constraint = new StructuredOutputsParams { JsonObject = true };
                break;
            case "json_schema":
                var schema = format.Object("json_schema")?.Object("schema") ?? throw ApiException.Invalid(
                    "response_format of type json_schema needs {\"json_schema\": {\"name\": …, \"schema\": {…}}}.", "response_format.json_schema");
                constraint = new StructuredOutputsParams { Json = schema.Json.GetRawText() };
                break;
            case var other:
                throw ApiException.Invalid($"response_format.type must be text, json_object or json_schema, got {other ?? "nothing"}.", "response_format.type");
        }

        return With(parameters, constraint, "response_format");
    }

    /// <summary>White space between the parts of no JSON, as vLLM's older <c>guided_whitespace_pattern</c> may say, constrains nothing.</summary>
    private static SamplingParams WithoutIdlePattern(SamplingParams parameters) =>
        parameters.StructuredOutputs is { HasConstraint: false } ? parameters with { StructuredOutputs = null } : parameters;

    /// <summary>The arguments of one tool.</summary>
    public static SamplingParams ForTool(SamplingParams parameters, JsonElement tool) =>
        With(parameters, Schema(json => WriteParameters(json, tool, id: null)), "tool_choice");

    /// <summary>Calls of any of the tools: a list of objects with <c>name</c> and <c>parameters</c>.</summary>
    public static SamplingParams ForAnyTool(SamplingParams parameters, JsonElement tools, bool several) =>
        With(parameters, Schema(json => WriteCallsSchema(json, tools, several)), "tool_choice");

    private static StructuredOutputsParams Schema(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer)) write(json);
        return new StructuredOutputsParams { Json = Encoding.UTF8.GetString(buffer.ToArray()) };
    }

    private static SamplingParams With(SamplingParams parameters, StructuredOutputsParams constraint, string field) => parameters.StructuredOutputs is null or { HasConstraint: false }
        // Left to break and indent lines, a model that knows little JSON does nothing else.
        ? parameters with { StructuredOutputs = constraint with { DisableAnyWhitespace = true, WhitespacePattern = parameters.StructuredOutputs?.WhitespacePattern } }
        : throw ApiException.Invalid($"{field} does not go with another constraint of the output; give one of them.", field);

    private static void WriteCallsSchema(Utf8JsonWriter json, JsonElement tools, bool several)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "array"u8);
        json.WriteNumber("minItems"u8, 1);
        if (!several) json.WriteNumber("maxItems"u8, 1);
        json.WriteStartObject("items"u8);
        json.WriteStartArray("anyOf"u8);
        var index = 0;
        foreach (var tool in tools.EnumerateArray())
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "object"u8);
            json.WriteStartObject("properties"u8);
            json.WriteStartObject("name"u8);
            json.WriteStartArray("enum"u8);
            tool.GetProperty("function"u8).GetProperty("name"u8).WriteTo(json);
            json.WriteEndArray();
            json.WriteEndObject();
            json.WritePropertyName("parameters"u8);
            WriteParameters(json, tool, $"tool:{index++}");
            json.WriteEndObject();
            json.WriteStartArray("required"u8);
            json.WriteStringValue("name"u8);
            json.WriteStringValue("parameters"u8);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Writes the schema of a tool's arguments: of an object, unless it says that they are something else.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="tool">The tool, which may have no schema.</param>
    /// <param name="id">An id of its own: references in it begin at it, as they do where it stands alone.</param>
    private static void WriteParameters(Utf8JsonWriter json, JsonElement tool, string? id)
    {
        json.WriteStartObject();
        if (id is not null) json.WriteString("$id"u8, id);
        var hasSchema = tool.GetProperty("function"u8).TryGetProperty("parameters"u8, out var schema) && schema.ValueKind == JsonValueKind.Object;
        var isOther = false;
        if (hasSchema)
        {
            foreach (var property in schema.EnumerateObject())
            {
                if (id is not null && property.NameEquals("$id"u8)) continue;
                if (property.NameEquals("type"u8))
                {
                    if (MayBeObject(property.Value)) continue;
                    isOther = true;
                }

                property.WriteTo(json);
            }
        }

        if (!isOther) json.WriteString("type"u8, "object"u8);
        json.WriteEndObject();
    }

    private static bool MayBeObject(JsonElement type) => type.ValueKind == JsonValueKind.Array
        ? type.EnumerateArray().Any(one => one.ValueKind == JsonValueKind.String && one.ValueEquals("object"u8))
        : type.ValueKind == JsonValueKind.String && type.ValueEquals("object"u8);

    /// <summary>Where the request's own constraint comes from, if it has one.</summary>
    public static ConstraintOrigin OriginOf(JsonFields fields) =>
        fields.Object("response_format")?.String("type") is null or "text" ? ConstraintOrigin.Own : new ConstraintOrigin("response_format");
}
