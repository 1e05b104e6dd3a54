namespace Beam.ML.Vllm.Engine;

/// <summary>Consecutive tokens of one sequence that a step computes.</summary>
/// <param name="Sequence">Whose.</param>
/// <param name="FirstToken">The position of the first.</param>
/// <param name="Tokens">How many, at least one.</param>
/// <param name="Samples">Whether the sequence's last known token is among them, so that its logits give the next.</param>
/// <param name="Drafts">How many of them, the last ones, are the sequence's draft; each one's logits give a token more if the draft comes true up to it.</param>
internal readonly record struct ScheduledTokens(Sequence Sequence, int FirstToken, int Tokens, bool Samples, int Drafts = 0)
{
    /// <summary>The tokens after which known ones end.</summary>
    public int KnownEnd => FirstToken + Tokens - Drafts;
}

/// <summary>What one step computes. Reused step after step.</summary>
internal sealed class SchedulerOutput
{
    public List<ScheduledTokens> Scheduled { get; } = [];

    public int TotalTokens { get; private set; }

    /// <summary>Adds the next known tokens of a sequence.</summary>
    public void Add(Sequence sequence, int tokens)
    {
        var first = sequence.ComputedTokens;
        Scheduled.Add(new ScheduledTokens(sequence, first, tokens, first + tokens == sequence.Length));
        TotalTokens += tokens;
    }

    /// <summary>Adds the draft of a sequence to its known tokens.</summary>
    public void AddDrafts(int entry, int drafts)
    {
        Scheduled[entry] = Scheduled[entry] with { Tokens = Scheduled[entry].Tokens + drafts, Drafts = drafts };
        TotalTokens += drafts;
    }

    public void Clear()
    {
        Scheduled.Clear();
        TotalTokens = 0;
    }
}
