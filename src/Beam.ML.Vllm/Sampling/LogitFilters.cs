namespace Beam.ML.Vllm.Sampling;

/// <summary>What changes logits before a token is chosen, greedy or not: permissions, biases and penalties, in vLLM's order.</summary>
internal static class LogitFilters
{
    public static void Apply(Span<float> logits, SamplingParams p, SamplerState state)
    {
        state.Structure?.Apply(logits, endsRequest: !p.IgnoreEos && state.OutputIds.Count + 1 >= p.MinTokens);
        state.Allowed?.Apply(logits, []);
        for (var i = 0; i < p.BadWordsTokenIds.Count; i++)
            if (p.BadWordsTokenIds[i] is var word && state.EndsWith(word, word.Count - 1)) Forbid(logits, word[^1]);
        if (state.OutputIds.Count < p.MinTokens && state.Structure is not { MustEnd: true })
        {
            foreach (var id in state.EosTokenIds) Forbid(logits, id);
            foreach (var id in state.StopTokenIds) Forbid(logits, id);
        }
        foreach (var (id, bias) in state.LogitBias)
            if ((uint)id < (uint)logits.Length) logits[id] += bias;
        ApplyPenalties(logits, p, state);
    }

    private static void ApplyPenalties(Span<float> logits, SamplingParams p, SamplerState state)
    {
        if (p.RepetitionPenalty != 1)
        {
            var penalty = (float)p.RepetitionPenalty;
            foreach (var id in state.PromptSet) Repeat(logits, id, penalty);
            foreach (var id in state.OutputCounts.Keys)
                if (!state.PromptSet.Contains(id)) Repeat(logits, id, penalty);
        }
        if (p.FrequencyPenalty == 0 && p.PresencePenalty == 0) return;
        foreach (var (id, count) in state.OutputCounts)
            if ((uint)id < (uint)logits.Length) logits[id] -= (float)(p.FrequencyPenalty * count + p.PresencePenalty);
    }

    private static void Repeat(Span<float> logits, int id, float penalty)
    {
        if ((uint)id >= (uint)logits.Length) return;
        logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
    }

    private static void Forbid(Span<float> logits, int id)
    {
        if ((uint)id < (uint)logits.Length) logits[id] = float.NegativeInfinity;
    }
}
