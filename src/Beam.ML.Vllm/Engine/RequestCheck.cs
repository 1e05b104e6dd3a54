using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>Refuses requests that cannot be served, before they reach the engine.</summary>
internal static class RequestCheck
{
    /// <summary>All that can be checked without a prompt, and so once for all that share the parameters.</summary>
    public static void Check(SamplingParams parameters, LlmEngine engine)
    {
        Check(parameters, hasTokenizer: engine.Tokenizer is not null);
        Check(parameters, engine.VocabularySize, engine.Options.MaxLogprobs);
    }

    /// <summary>What does not depend on the model.</summary>
    public static void Check(SamplingParams parameters, bool hasTokenizer)
    {
        try
        {
            parameters.Validate();
        }
        catch (ArgumentException e)
        {
            throw new InvalidRequestException(e.Message, e);
        }

        if (hasTokenizer) return;
        if (parameters.Stop.Count > 0)
            throw new InvalidRequestException("stop needs a tokenizer, and the engine has none (skip_tokenizer_init); use stop_token_ids.") { Field = "stop" };
        if (parameters.BadWords.Count > 0)
            throw new InvalidRequestException("bad_words needs a tokenizer, and the engine has none (skip_tokenizer_init).") { Field = "bad_words" };
    }

    /// <summary>What depends on the model: ids that it must know, and how many log probabilities it gives.</summary>
    public static void Check(SamplingParams parameters, int vocabularySize, int maxLogprobs)
    {
        if (parameters.Sequences > parameters.N && parameters.OutputKind != OutputKind.FinalOnly)
        {
            throw new InvalidRequestException(
                $"best_of={parameters.BestOf} with n={parameters.N} cannot be streamed: which completions are the best is known at their end. " +
                "Use output_kind final_only, or best_of equal to n.") { Field = "best_of" };
        }

        CheckIds("stop_token_ids", parameters.StopTokenIds);
        CheckIds("logit_bias", parameters.LogitBias?.Keys);
        CheckIds("allowed_token_ids", parameters.AllowedTokenIds);
        CheckIds("logprob_token_ids", parameters.LogprobTokenIds);
        CheckIds("bad_words", parameters.BadWordsTokenIds.SelectMany(ids => ids));
        CheckCount("sample", parameters.Logprobs);
        CheckCount("prompt", parameters.PromptLogprobs);

        void CheckIds(string name, IEnumerable<int>? ids)
        {
            if (ids?.Where(id => (uint)id >= (uint)vocabularySize).Take(10).ToArray() is [_, ..] unknown)
            {
                throw new InvalidRequestException(
                    $"token_id(s) {string.Join(", ", unknown)} in {name} contain out-of-vocab token ids. Vocabulary size: {vocabularySize}.") { Field = name };
            }
        }

        void CheckCount(string what, int? count)
        {
            // With logprob_token_ids their number is the limit, and it has one of its own.
            if (count is null || (what == "sample" && parameters.LogprobTokenIds is not null)) return;
            var requested = count == -1 ? vocabularySize : count.Value;
            var allowed = maxLogprobs == -1 ? vocabularySize : maxLogprobs;
            if (requested > allowed)
            {
                throw new InvalidRequestException($"Requested {what} logprobs of {requested}, which is greater than max allowed: {allowed} (max_logprobs).")
                {
                    Field = what == "sample" ? "logprobs" : "prompt_logprobs",
                };
            }
        }
    }

    /// <summary>What truncate_prompt_tokens leaves of a prompt: its end.</summary>
    public static ReadOnlySpan<int> Truncate(ReadOnlySpan<int> prompt, SamplingParams parameters, int maxModelLength)
    {
        if (parameters.TruncatePromptTokens is not { } limit) return prompt;
        if (limit == -1) limit = Math.Max(1, maxModelLength - Math.Max(1, parameters.MaxTokens ?? 1));
        return prompt.Length <= limit ? prompt : prompt[^limit..];
    }

    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="maxLength">The most that it may have.</param>
    /// <param name="engine">The engine that is to serve it.</param>
    public static void Check(ReadOnlySpan<int> prompt, int maxLength, LlmEngine engine)
    {
        if (prompt.IsEmpty) throw new InvalidRequestException("The prompt cannot be empty.") { Field = "prompt" };
        if (prompt.Length > maxLength)
        {
            throw new InvalidRequestException(
                $"This model's maximum context length is {engine.MaxModelLength} tokens. However, the prompt has {prompt.Length} tokens" +
                (maxLength < engine.MaxModelLength ? " and at least one must be generated. " : ". ") +
                "Shorten the prompt, or raise max_model_len if the model allows it.") { Field = "prompt" };
        }

        foreach (var id in prompt)
        {
            if ((uint)id >= (uint)engine.VocabularySize)
                throw new InvalidRequestException($"Token id {id} is out of vocabulary: the model knows 0 to {engine.VocabularySize - 1}.") { Field = "prompt" };
        }
    }
}
