using System.Diagnostics;

namespace Beam.ML.Vllm.Engine;

/// <summary>Where a sequence stands at an output: a copy of what the step loop goes on changing.</summary>
internal readonly record struct RequestProgress
{
    public FinishReason? FinishReason { get; private init; }

    public object? StopReason { get; private init; }

    public double CumulativeLogprob { get; private init; }

    public DateTimeOffset ArrivalTime { get; private init; }

    public long Arrived { get; private init; }

    public long Scheduled { get; private init; }

    public long FirstToken { get; private init; }

    public long Now { get; private init; }

    public int PromptTokens { get; private init; }

    public int CachedTokens { get; private init; }

    public int OutputTokens { get; private init; }

    public int Preemptions { get; private init; }

    public int Steps { get; private init; }

    public long BatchSizes { get; private init; }

    public static RequestProgress Of(Sequence sequence, double cumulativeLogprob)
    {
        var times = sequence.Times;
        return new RequestProgress
        {
            FinishReason = sequence.FinishReason,
            StopReason = sequence.StopReason,
            CumulativeLogprob = cumulativeLogprob,
            ArrivalTime = times.ArrivalTime,
            Arrived = times.Arrived,
            Scheduled = times.Scheduled,
            FirstToken = times.FirstToken,
            Now = times.Finished == 0 ? Stopwatch.GetTimestamp() : times.Finished,
            PromptTokens = sequence.PromptLength,
            CachedTokens = times.CachedTokens,
            OutputTokens = sequence.OutputLength,
            Preemptions = times.Preemptions,
            Steps = times.Steps,
            BatchSizes = times.BatchSizes,
        };
    }
}
