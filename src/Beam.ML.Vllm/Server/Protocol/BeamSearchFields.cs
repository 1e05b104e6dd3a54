using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>
/// Reads vLLM's <c>use_beam_search</c>: the beam is as wide as <c>n</c> or, if it is more, <c>best_of</c> says, and <c>length_penalty</c> decides
/// between short and long. What a search cannot do is refused where a request asks for it.
/// </summary>
internal static class BeamSearchFields
{
    private const string Name = "use_beam_search";

    public static bool Asked(JsonFields fields) => fields.Bool(Name);

    /// <param name="fields">The request.</param>
    /// <param name="parameters">What it says beside; checked.</param>
    /// <param name="stream">How the answer is to come.</param>
    /// <param name="maxModelLength">Ends a search that has no other limit.</param>
    /// <returns>The search; null if none is asked for.</returns>
    /// <exception cref="ApiException">A value is out of its range, or does not go with a search.</exception>
    public static BeamSearchParams? Read(JsonFields fields, SamplingParams parameters, StreamOptions stream, int maxModelLength)
    {
        if (!Asked(fields)) return null;
        if (stream.Stream) throw ApiException.Invalid("use_beam_search cannot go with stream=true: which texts are the best is known at their end.", "stream");
        Refuse("stop", parameters.Stop.Count > 0);
        Refuse("stop_token_ids", parameters.StopTokenIds.Count > 0);
        Refuse("min_tokens", parameters.MinTokens > 0);
        Refuse("presence_penalty", parameters.PresencePenalty != 0);
        Refuse("frequency_penalty", parameters.FrequencyPenalty != 0);
        Refuse("repetition_penalty", parameters.RepetitionPenalty != 1);
        Refuse("logit_bias", parameters.LogitBias is not null);
        Refuse("allowed_token_ids", parameters.AllowedTokenIds is not null);
        Refuse("bad_words", parameters.BadWords.Count > 0);
        Refuse("repetition_detection", parameters.RepetitionDetection is not null);
        Refuse("logprob_token_ids", parameters.LogprobTokenIds is not null);
        Refuse("prompt_logprobs", parameters.PromptLogprobs is not null);
        if (parameters.PromptLogprobs is not null) throw Unfit("echo with logprobs", "echo");
        if (parameters.StructuredOutputs is not null) throw Unfit("a constraint of the output", Name);
        var search = new BeamSearchParams
        {
            BeamWidth = parameters.Sequences,
            MaxTokens = parameters.MaxTokens ?? maxModelLength,
            IgnoreEos = parameters.IgnoreEos,
            Temperature = fields.Double("temperature") ?? 0,
            LengthPenalty = fields.Double("length_penalty") ?? 1,
            IncludeStopStringInOutput = parameters.IncludeStopStringInOutput,
            CacheSalt = parameters.CacheSalt,
        };
        try
        {
            search.Validate();
            return search;
        }
        catch (ArgumentException e)
        {
            var first = e.Message.Split(' ')[0];
            throw ApiException.Invalid(e.Message, first == "beam_width" ? fields.Has("best_of") ? "best_of" : "n" : first, e);
        }

        // The model's own defaults may have penalties; a search does without.
        void Refuse(string name, bool matters)
        {
            if (matters && fields.Has(name)) throw Unfit(name, name);
        }
    }

    private static ApiException Unfit(string what, string field) =>
        ApiException.Invalid($"{what} cannot go with use_beam_search: a search goes by the model's own probabilities, to the end of a text or max_tokens.", field);
}
