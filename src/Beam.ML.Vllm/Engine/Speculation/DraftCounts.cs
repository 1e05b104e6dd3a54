namespace Beam.ML.Vllm.Engine;

/// <summary>How drafts have fared since the start.</summary>
internal sealed class DraftCounts
{
    public long Drafts { get; private set; }

    public long DraftTokens { get; private set; }

    public long AcceptedTokens { get; private set; }

    /// <summary>Notes a draft and the tokens that its step sampled: those that came true and one more.</summary>
    public void Count(int drafted, int sampled)
    {
        if (drafted == 0) return;
        Drafts++;
        DraftTokens += drafted;
        AcceptedTokens += Math.Max(0, sampled - 1);
    }
}
