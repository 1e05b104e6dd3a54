namespace Beam.ML.Vllm.Engine;

/// <summary>Consecutive tokens of one sequence that a step computes.</summary>
/// <param name="Sequence">Whose.</param>
/// <param name="FirstToken">The position of the first.</param>
/// <param name="Tokens">How many, at least one.</param>
/// <param name="Samples">Whether the last one is the sequence's last known token, so that its logits give the next.</param>
internal readonly record struct ScheduledTokens(Sequence Sequence, int FirstToken, int Tokens, bool Samples);

/// <summary>What one step computes. Reused step after step.</summary>
internal sealed class SchedulerOutput
{
    public List<ScheduledTokens> Scheduled { get; } = [];

    public int TotalTokens { get; private set; }

    public void Add(Sequence sequence, int tokens)
    {
        var first = sequence.ComputedTokens;
        Scheduled.Add(new ScheduledTokens(sequence, first, tokens, first + tokens == sequence.Length));
        TotalTokens += tokens;
    }

    public void Clear()
    {
        Scheduled.Clear();
        TotalTokens = 0;
    }
}
