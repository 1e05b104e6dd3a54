using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>Refuses requests that cannot be served, before they reach the engine.</summary>
internal static class RequestCheck
{
    /// <summary>What of a request can be checked without its prompt, and so once for all that share it.</summary>
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

        if (parameters.N != 1) throw new InvalidRequestException($"n must be 1, got {parameters.N}: send the prompt as often as completions are wanted.");
        if (parameters.Stop.Count > 0 && !hasTokenizer)
            throw new InvalidRequestException("stop needs a tokenizer, and the engine has none (skip_tokenizer_init); use stop_token_ids.");
    }

    public static void Check(ReadOnlySpan<int> prompt, SamplingParams parameters, LlmEngine engine)
    {
        Check(parameters, engine.Tokenizer is not null);
        if (prompt.IsEmpty) throw new InvalidRequestException("The prompt cannot be empty.");
        if (prompt.Length >= engine.MaxModelLength)
        {
            throw new InvalidRequestException(
                $"This model's maximum context length is {engine.MaxModelLength} tokens. However, the prompt has {prompt.Length} tokens and at least one must be generated. " +
                "Shorten the prompt, or raise max_model_len if the model allows it.");
        }

        foreach (var id in prompt)
        {
            if ((uint)id >= (uint)engine.VocabularySize)
                throw new InvalidRequestException($"Token id {id} is out of vocabulary: the model knows 0 to {engine.VocabularySize - 1}.");
        }
    }
}
