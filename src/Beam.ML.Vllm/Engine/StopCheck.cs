namespace Beam.ML.Vllm.Engine;

/// <summary>The tokens that end a text of this model: the tokenizer's own, and those that generation_config.json adds.</summary>
internal sealed record EosTokens(int? Primary, IReadOnlyList<int> Others)
{
    public static EosTokens From(int? primary, IEnumerable<int> all) => new(primary, [.. all.Distinct().Where(id => id != primary)]);

    public int[] ToArray() => Primary is { } id ? [id, .. Others] : [.. Others];
}

/// <summary>Whether a sequence ends with the token that was just appended, in vLLM's order of checks.</summary>
internal static class StopCheck
{
    public static (FinishReason Reason, object? StopReason)? Check(Sequence sequence, EosTokens eos, int maxModelLength)
    {
        var parameters = sequence.Parameters;
        var last = sequence.Tokens[^1];

        // Told of each token, whether an end is allowed there or not.
        var repeats = sequence.Repetition?.Accept(sequence.OutputTokens) ?? false;
        if (sequence.OutputLength >= parameters.MinTokens)
        {
            if (!parameters.IgnoreEos && last == eos.Primary) return (FinishReason.Stop, null);
            if (!parameters.IgnoreEos && eos.Others.Contains(last)) return (FinishReason.Stop, last);
            if (sequence.SamplerState.IsStopToken(last)) return (FinishReason.Stop, last);
        }

        if (sequence.Length >= maxModelLength || sequence.OutputLength >= parameters.MaxTokens) return (FinishReason.Length, null);
        return repeats && sequence.OutputLength >= parameters.MinTokens ? (FinishReason.Repetition, "repetition_detected") : null;
    }
}
