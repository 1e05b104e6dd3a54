using System.Diagnostics;

namespace Beam.ML.Vllm.Engine;

/// <summary>Where a sequence stands at an output: a copy of what the step loop goes on changing.</summary>
internal readonly record struct RequestProgress
{
    public FinishReason? FinishReason { get; private init; }

    public object? StopReason { get; private init; }

    public double CumulativeLogprob { get; private init; }

    private DateTimeOffset ArrivalTime { get; init; }

    private long Arrived { get; init; }

    private long Scheduled { get; init; }

    private long FirstToken { get; init; }

    private long Now { get; init; }

    private int PromptTokens { get; init; }

    private int CachedTokens { get; init; }

    private int OutputTokens { get; init; }

    private int Preemptions { get; init; }

    private int Steps { get; init; }

    private long BatchSizes { get; init; }

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

    /// <summary>The metrics of a request: what its sequences have come to, together.</summary>
    public static RequestMetrics Metrics(ReadOnlySpan<RequestProgress> sequences)
    {
        var (first, all) = (sequences[0], sequences[0]);
        foreach (var other in sequences[1..])
        {
            all = all with
            {
                Scheduled = Earlier(all.Scheduled, other.Scheduled),
                FirstToken = Earlier(all.FirstToken, other.FirstToken),
                Now = Math.Max(all.Now, other.Now),
                OutputTokens = all.OutputTokens + other.OutputTokens,
                Preemptions = all.Preemptions + other.Preemptions,
                Steps = all.Steps + other.Steps,
                BatchSizes = all.BatchSizes + other.BatchSizes,
            };
        }

        return new RequestMetrics
        {
            ArrivalTime = first.ArrivalTime,
            QueueTime = all.Since(all.Scheduled),
            TimeToFirstToken = all.Since(all.FirstToken),
            TotalTime = Stopwatch.GetElapsedTime(first.Arrived, all.Now),
            PromptTokens = first.PromptTokens,
            CachedTokens = first.CachedTokens,
            OutputTokens = all.OutputTokens,
            Preemptions = all.Preemptions,
            Steps = all.Steps,
            MeanBatchSize = all.Steps == 0 ? 0 : (double)all.BatchSizes / all.Steps,
        };

        static long Earlier(long a, long b) => a == 0 ? b : b == 0 ? a : Math.Min(a, b);
    }

    private TimeSpan? Since(long timestamp) => timestamp == 0 ? null : Stopwatch.GetElapsedTime(Arrived, timestamp);
}
