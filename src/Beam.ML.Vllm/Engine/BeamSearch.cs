using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// A beam search, given what finds the likeliest next tokens of some texts. At each step every beam is continued by each of its 2 × width
/// likeliest tokens; continuations that end are set aside, and the width likeliest of the others are the next beams.
/// </summary>
internal sealed class BeamSearch(BeamSearchParams parameters, EosTokens eos, int maxLength)
{
    private readonly HashSet<int> _eos = parameters.IgnoreEos ? [] : [.. eos.ToArray()];
    private readonly PriorityQueue<Candidate, (double CumulativeLogprob, int Order)> _best = new(parameters.BeamWidth + 1);
    private List<BeamSearchSequence> _completed = [];
    private List<BeamSearchSequence> _beams = [];

    /// <summary>Log probabilities to ask for at each step.</summary>
    public static int Candidates(BeamSearchParams parameters, int vocabularySize) => Math.Min(2 * parameters.BeamWidth, vocabularySize);

    /// <param name="prompt">The prompt.</param>
    /// <param name="nextAsync">The likeliest next tokens of each beam; null to end the search with what it has.</param>
    /// <returns>The best beams, best first.</returns>
    public async Task<IReadOnlyList<BeamSearchSequence>> RunAsync(int[] prompt, Func<IReadOnlyList<BeamSearchSequence>, Task<PositionLogprobs[]?>> nextAsync)
    {
        _beams = [BeamSearchSequence.Of(prompt)];
        for (var i = 0; i < parameters.MaxTokens && _beams.Count > 0 && prompt.Length + i < maxLength && await nextAsync(_beams) is { } next; i++) Advance(next);
        return Best(_completed.Concat(_beams));
    }

    private void Advance(PositionLogprobs[] next)
    {
        var order = 0;
        for (var i = 0; i < next.Length; i++)
        {
            var beam = _beams[i];
            var (ids, logprobs) = next[i].TopRow;
            for (var k = 0; k < ids.Length; k++)
            {
                var cumulative = beam.CumulativeLogprob + logprobs[k];
                if (_eos.Contains(ids[k])) _completed.Add(End(beam, ids[k], cumulative, next[i]));
                else Keep(new Candidate(beam, next[i], ids[k]), cumulative, order++);
            }
        }

        _beams = new List<BeamSearchSequence>(_best.Count);
        while (_best.TryDequeue(out var candidate, out var place))
            _beams.Add(candidate.Beam.Continue(candidate.Token, place.CumulativeLogprob, candidate.Position));
        _beams.Reverse();
        if (_completed.Count > 2 * parameters.BeamWidth) _completed = Best(_completed);
    }

    /// <summary>Keeps the width likeliest: of equals, the better beam's likelier token, which came first.</summary>
    private void Keep(Candidate candidate, double cumulative, int order)
    {
        if (_best.Count < parameters.BeamWidth) _best.Enqueue(candidate, (cumulative, -order));
        else _best.EnqueueDequeue(candidate, (cumulative, -order));
    }

    private List<BeamSearchSequence> Best(IEnumerable<BeamSearchSequence> beams) => [.. beams.OrderByDescending(Score).Take(parameters.BeamWidth)];

    private BeamSearchSequence End(BeamSearchSequence beam, int token, double cumulative, PositionLogprobs position) => parameters.IncludeStopStringInOutput
        ? beam.Continue(token, cumulative, position) with { StopReason = token }
        : beam with { CumulativeLogprob = cumulative, StopReason = token };

    private double Score(BeamSearchSequence beam)
    {
        // An end-of-sequence token does not count for the length.
        var length = beam.Length - (beam.StopReason is not null && parameters.IncludeStopStringInOutput ? 1 : 0);
        return beam.CumulativeLogprob / Math.Pow(length, parameters.LengthPenalty);
    }

    private readonly record struct Candidate(BeamSearchSequence Beam, PositionLogprobs Position, int Token);
}
