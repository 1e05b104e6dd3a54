using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// A beam search, given what finds the likeliest next tokens of some texts. At each step every beam is continued by each of its 2 × width
/// likeliest tokens; continuations that end are set aside, and the width likeliest of the others are the next beams.
/// </summary>
internal sealed class BeamSearch(BeamSearchParams parameters, EosTokens eos, int maxLength)
{
    private readonly HashSet<int> _eos = parameters.IgnoreEos ? [] : [.. eos.ToArray()];
    private readonly List<BeamSearchSequence> _completed = [];
    private List<BeamSearchSequence> _beams = [];

    /// <summary>Log probabilities to ask for at each step.</summary>
    public static int Candidates(BeamSearchParams parameters, int vocabularySize) => (int)Math.Min(2L * parameters.BeamWidth, vocabularySize);

    /// <param name="prompt">The prompt.</param>
    /// <param name="nextAsync">The likeliest next tokens of each beam.</param>
    /// <returns>The best beams, best first.</returns>
    public async Task<IReadOnlyList<BeamSearchSequence>> RunAsync(int[] prompt, Func<IReadOnlyList<BeamSearchSequence>, Task<PositionLogprobs[]>> nextAsync)
    {
        _beams = [new BeamSearchSequence(prompt, 0, null, null)];
        for (var i = 0; i < parameters.MaxTokens && _beams.Count > 0 && prompt.Length + i < maxLength; i++) Advance(await nextAsync(_beams));
        return [.. _completed.Concat(_beams).OrderByDescending(Score).Take(parameters.BeamWidth)];
    }

    private void Advance(PositionLogprobs[] next)
    {
        var candidates = new List<(double CumulativeLogprob, BeamSearchSequence Beam, PositionLogprobs Position, int Token)>();
        for (var i = 0; i < next.Length; i++)
        {
            var beam = _beams[i];
            foreach (var candidate in next[i].Top)
            {
                var cumulative = beam.CumulativeLogprob + candidate.Logprob;
                if (!_eos.Contains(candidate.TokenId)) candidates.Add((cumulative, beam, next[i], candidate.TokenId));
                else _completed.Add(End(beam, candidate.TokenId, cumulative, next[i]));
            }
        }

        // The sort is stable: of equals, the better beam's likelier token comes first.
        _beams = [.. candidates.OrderByDescending(c => c.CumulativeLogprob).Take(parameters.BeamWidth)
            .Select(c => new BeamSearchSequence([.. c.Beam.Tokens, c.Token], c.CumulativeLogprob, c.Beam, c.Position))];
    }

    private BeamSearchSequence End(BeamSearchSequence beam, int token, double cumulative, PositionLogprobs position) => parameters.IncludeStopStringInOutput
        ? new BeamSearchSequence([.. beam.Tokens, token], cumulative, beam, position) { StopReason = token }
        : beam with { CumulativeLogprob = cumulative, StopReason = token };

    private double Score(BeamSearchSequence beam)
    {
        // An end-of-sequence token does not count for the length.
        var length = beam.Tokens.Length - (beam.StopReason is not null && parameters.IncludeStopStringInOutput ? 1 : 0);
        return beam.CumulativeLogprob / Math.Pow(length, parameters.LengthPenalty);
    }
}

/// <summary>A text on its way through a beam search.</summary>
/// <param name="Tokens">Prompt and output.</param>
/// <param name="CumulativeLogprob">The sum of the output's log probabilities, an end-of-sequence token's included.</param>
/// <param name="Parent">The beam that this one continues by a token.</param>
/// <param name="Position">Log probabilities where that token stands.</param>
internal sealed record BeamSearchSequence(int[] Tokens, double CumulativeLogprob, BeamSearchSequence? Parent, PositionLogprobs? Position)
{
    /// <summary>The end-of-sequence token that ended it.</summary>
    public int? StopReason { get; init; }
}
