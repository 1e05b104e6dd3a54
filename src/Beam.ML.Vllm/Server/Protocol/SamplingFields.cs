using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Reads what of a request says how to sample. Fields that it lacks keep the model's defaults, as do those that are null.</summary>
internal static class SamplingFields
{
    // These mean something else, or something more, in a request than among sampling parameters.
    private static readonly HashSet<string> ReadElsewhere = 
    [
        "max_tokens", "max_completion_tokens", "logprobs", "prompt_logprobs", "truncate_prompt_tokens", "output_kind", "detokenize", "use_beam_search",
    ];

    /// <param name="fields">The request.</param>
    /// <param name="defaults">The model's defaults.</param>
    /// <exception cref="ApiException">A value is of the wrong type or out of its range.</exception>
    public static SamplingParams Read(JsonFields fields, SamplingParams defaults)
    {
        UnusedFields.Check(fields);
        var parameters = defaults;
        foreach (var field in fields.Json.EnumerateObject())
        {
            if (field.Value.ValueKind == System.Text.Json.JsonValueKind.Null || ReadElsewhere.Contains(field.Name) || !SamplingParamsReader.Knows(field.Name)) continue;
            fields.MarkRead(field.Name);
            try
            {
                parameters = SamplingParamsReader.Apply(parameters, field.Name, field.Value);
            }
            catch (ArgumentException e)
            {
                throw ApiException.Invalid(e.Message, field.Name, e);
            }
        }

        var promptLogprobs = Count(fields, "prompt_logprobs");
        if (promptLogprobs is not (null or 0) && fields.Bool("stream")) throw ApiException.Invalid("prompt_logprobs cannot be had with stream=true.", "prompt_logprobs");

        // A beam search has no use for a temperature, and several completions where sampling at 0 has one.
        if (BeamSearchFields.Asked(fields)) parameters = parameters with { Temperature = 1 };
        return OutputConstraint.Read(fields, parameters with { PromptLogprobs = promptLogprobs });
    }

    /// <summary>How many log probabilities a field asks for; -1 for the whole vocabulary.</summary>
    public static int? Count(JsonFields fields, string name) =>
        fields.Int(name) is { } count ? count >= -1 ? count : throw ApiException.Invalid($"{name} must be non-negative or -1, got {count}.", name) : null;

    /// <summary>Refuses values out of their ranges, naming the field where the message begins with it.</summary>
    /// <exception cref="ApiException">A value is out of its range.</exception>
    public static SamplingParams Check(SamplingParams parameters)
    {
        try
        {
            parameters.Validate();
            return parameters;
        }
        catch (ArgumentException e)
        {
            var first = e.Message.Split(' ')[0];
            throw ApiException.Invalid(e.Message, SamplingParamsReader.Knows(first) ? first : null, e);
        }
    }
}
