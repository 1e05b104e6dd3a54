namespace Beam.ML.Vllm.Engine;

/// <summary>
/// One request as the engine sees it: a sequence for each completion, and the one stream that all of them are handed out on. The
/// sequences are scheduled as any others; what they share of the prompt they find in the prefix cache.
/// </summary>
internal sealed record RequestGroup(string RequestId, OutputCollector Output, IReadOnlyList<(Sequence Sequence, OutputState Output)> Sequences)
{
    /// <summary>Marks what has not ended as aborted.</summary>
    public void Abort()
    {
        foreach (var (sequence, _) in Sequences) sequence.Finish(FinishReason.Abort);
    }
}
