using System.Diagnostics;

namespace Beam.ML.Vllm.Engine;

/// <summary>What the sequences of a request have come to, together. It is told of those alone that have gone on, however many there are.</summary>
internal sealed class RequestTotals
{
    private RequestProgress? _first;
    private long _scheduled;
    private long _firstToken;
    private long _now;
    private int _outputTokens;
    private int _preemptions;
    private int _steps;
    private long _batchSizes;

    /// <param name="before">Where a sequence stood at the last call; the default for none.</param>
    /// <param name="now">Where it stands.</param>
    /// <param name="isFirst">Whether it is the request's first: the others find its prompt in the cache.</param>
    public void Replace(in RequestProgress before, in RequestProgress now, bool isFirst)
    {
        if (isFirst || _first is null) _first = now;
        _scheduled = Earlier(_scheduled, now.Scheduled);
        _firstToken = Earlier(_firstToken, now.FirstToken);
        _now = Math.Max(_now, now.Now);
        _outputTokens += now.OutputTokens - before.OutputTokens;
        _preemptions += now.Preemptions - before.Preemptions;
        _steps += now.Steps - before.Steps;
        _batchSizes += now.BatchSizes - before.BatchSizes;
    }

    public RequestMetrics ToMetrics()
    {
        var first = _first ?? throw new InvalidOperationException("No sequence of the request has had a step.");
        return new RequestMetrics
        {
            ArrivalTime = first.ArrivalTime,
            QueueTime = _scheduled == 0 ? null : Stopwatch.GetElapsedTime(first.Arrived, _scheduled),
            TimeToFirstToken = _firstToken == 0 ? null : Stopwatch.GetElapsedTime(first.Arrived, _firstToken),
            TotalTime = Stopwatch.GetElapsedTime(first.Arrived, _now),
            PromptTokens = first.PromptTokens,
            CachedTokens = first.CachedTokens,
            OutputTokens = _outputTokens,
            Preemptions = _preemptions,
            Steps = _steps,
            MeanBatchSize = _steps == 0 ? 0 : (double)_batchSizes / _steps,
        };
    }

    private static long Earlier(long a, long b) => a == 0 ? b : b == 0 ? a : Math.Min(a, b);
}
