using System.Text.Json;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;

namespace Beam.ML.Vllm.Server.Tools;

/// <summary>Whether the model may or must call tools, and how its calls are found in its answer.</summary>
/// <param name="Parameters">How to sample: a call that must be made is made by a constraint.</param>
/// <param name="NewParser">Makes a parser for an answer; null if calls are not looked for.</param>
/// <param name="IsNamed">The request names the tool, so that the call is the answer and no decision of the model.</param>
internal sealed record ToolChoice(SamplingParams Parameters, Func<ToolCallParser>? NewParser, bool IsNamed)
{
    /// <summary>What a call that must be made is constrained by; null if none must be.</summary>
    public ConstraintOrigin? Origin { get; init; }

    private const string Usage = "tool_choice must be none, auto, required or {\"type\": \"function\", \"function\": {\"name\": …}}.";

    public static ToolChoice Read(JsonFields fields, SamplingParams parameters, string? parser)
    {
        RefuseFunctions(fields);
        var tools = ReadTools(fields);
        var choice = fields.Get("tool_choice");
        if (choice is null && tools is null || choice is { ValueKind: JsonValueKind.String } none && none.ValueEquals("none"u8)) return new ToolChoice(parameters, null, false);
        if (tools is not { } list) throw ApiException.Invalid("tool_choice needs tools to choose from.", "tool_choice");
        switch (choice)
        {
            case null:
            case { ValueKind: JsonValueKind.String } auto when auto.ValueEquals("auto"u8):
                if (parser is null)
                {
                    throw ApiException.Invalid(
                        "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set; without them, a call must be \"required\" or named, or tool_choice be \"none\".", "tool_choice");
                }

                // The marks of a call may be special tokens.
                return new ToolChoice(parameters with { SkipSpecialTokens = false }, () => ToolCallParser.Create(parser), false);
            case { ValueKind: JsonValueKind.String } required when required.ValueEquals("required"u8):
                return new ToolChoice(OutputConstraint.ForAnyTool(parameters, list, fields.Bool("parallel_tool_calls", otherwise: true)), () => new RequiredToolCallParser(), false) { Origin = ConstraintOrigin.AnyTool };
            case { ValueKind: JsonValueKind.Object } named:
                if (new JsonFields(named, "tool_choice.").Object("function")?.String("name") is not { } name) throw ApiException.Invalid(Usage, "tool_choice");
                var (index, tool) = list.EnumerateArray().Index().FirstOrDefault(t => t.Item.GetProperty("function"u8).GetProperty("name"u8).ValueEquals(name));
                if (tool.ValueKind == JsonValueKind.Undefined) throw ApiException.Invalid($"tool_choice names '{name}', which is none of the tools.", "tool_choice");
                return new ToolChoice(OutputConstraint.ForTool(parameters, tool), () => new NamedToolCallParser(name), true) { Origin = ConstraintOrigin.Tool(index) };
            default:
                throw ApiException.Invalid(Usage, "tool_choice");
        }
    }

    /// <summary>Ignored, they would have an answer without calls look like the model's own choice.</summary>
    private static void RefuseFunctions(JsonFields fields)
    {
        if (fields.Has("functions")) throw ApiException.Invalid("functions is not supported; give tools, its successor.", "functions");
        if (fields.Has("function_call")) throw ApiException.Invalid("function_call is not supported; give tool_choice, its successor.", "function_call");
    }

    private static JsonElement? ReadTools(JsonFields fields)
    {
        if (fields.Array("tools") is not { } tools) return null;
        if (tools.GetArrayLength() == 0) throw ApiException.Invalid("tools cannot be an empty list; leave it out.", "tools");
        foreach (var tool in tools.EnumerateArray())
        {
            if (tool.ValueKind != JsonValueKind.Object || !tool.TryGetProperty("function"u8, out var function) || function.ValueKind != JsonValueKind.Object
                || !function.TryGetProperty("name"u8, out var name) || name.ValueKind != JsonValueKind.String)
                throw ApiException.Invalid("Each of tools must be {\"type\": \"function\", \"function\": {\"name\": …, \"parameters\": …}}.", "tools");
        }

        return tools;
    }
}
