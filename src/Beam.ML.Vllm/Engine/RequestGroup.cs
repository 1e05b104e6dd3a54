namespace Beam.ML.Vllm.Engine;

/// <summary>
/// One request as the engine sees it: a sequence for each completion, and the one stream that all of them are handed out on. The
/// sequences are scheduled as any others; what they share of the prompt they find in the prefix cache.
/// </summary>
internal sealed class RequestGroup(string requestId, OutputCollector output, IReadOnlyList<(Sequence Sequence, OutputState Output)?> sequences, int priority = 0)
{
    public string RequestId => requestId;

    public OutputCollector Output => output;

    /// <summary>For the step loop alone, once the request is with it. Those that have ended are null: what they were need not stay until all have.</summary>
    public IReadOnlyList<(Sequence Sequence, OutputState Output)?> Sequences => sequences;

    public int Priority => priority;

    /// <summary>Whether it is the continuation of what was let in before, and does not wait again.</summary>
    public bool GoesOn { get; init; }

    /// <summary>Where it is; for the waiting room alone.</summary>
    public WaitingRoom.Entry Entry { get; set; }

    /// <summary>Marks what has not ended as aborted. For the step loop alone, once the request is with it.</summary>
    public void Abort()
    {
        foreach (var entry in sequences) entry?.Sequence.Finish(FinishReason.Abort);
    }
}
