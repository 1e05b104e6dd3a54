namespace Beam.ML.Vllm.Engine;

/// <summary>Guesses a sequence's next tokens: those that followed its last ones where they stood before.</summary>
internal sealed class NgramProposer(SpeculativeConfig config, int maxModelLength)
{
    /// <summary>Drafts tokens for a sequence whose known tokens will all be computed; returns how many.</summary>
    public int Propose(Sequence sequence, int limit)
    {
        var parameters = sequence.Parameters;
        limit = Math.Min(Math.Min(limit, config.NumSpeculativeTokens), maxModelLength - sequence.Length - 1);

        // After the drafts one more token is sampled.
        if (parameters.MaxTokens is { } max) limit = Math.Min(limit, max - sequence.OutputLength - 1);
        if (limit <= 0) return 0;

        var index = sequence.Ngrams ??= new NgramIndex(config.Shortest, config.Longest);
        var found = index.FindContinuation(sequence.Tokens);
        if (found < 0) return 0;

        // What repeats itself is guessed to go on doing so: a draft may be longer than what is known after the match. A token that ends
        // the text is left to be sampled, as nothing is to be verified after it.
        Span<int> draft = stackalloc int[limit];
        var tokens = sequence.Tokens;
        var count = 0;
        for (; count < limit; count++)
        {
            var at = found + count;
            var token = at < tokens.Length ? tokens[at] : draft[at - tokens.Length];
            if (Ends(sequence, token)) break;
            draft[count] = token;
        }

        sequence.SetDraft(draft[..count]);
        return count;
    }

    private static bool Ends(Sequence sequence, int token) =>
        sequence.SamplerState.IsStopToken(token) || (!sequence.Parameters.IgnoreEos && sequence.SamplerState.EosTokenIds.Contains(token));
}
