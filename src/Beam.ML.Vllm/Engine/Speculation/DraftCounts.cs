namespace Beam.ML.Vllm.Engine;

/// <summary>How drafts have fared since the start.</summary>
/// <param name="positions">Tokens of the longest draft.</param>
internal sealed class DraftCounts(int positions)
{
    private readonly long[] _acceptedAt = new long[positions];

    public long Drafts { get; private set; }

    public long DraftTokens { get; private set; }

    public long AcceptedTokens { get; private set; }

    /// <summary>For each place in a draft, how often the token there came true.</summary>
    public IReadOnlyList<long> AcceptedAt => _acceptedAt;

    /// <summary>Notes a draft and the tokens that its step sampled: those that came true and one more.</summary>
    public void Count(int drafted, int sampled)
    {
        if (drafted == 0) return;
        var accepted = Math.Max(0, sampled - 1);
        Drafts++;
        DraftTokens += drafted;
        AcceptedTokens += accepted;
        for (var i = 0; i < accepted; i++) _acceptedAt[i]++;
    }
}
