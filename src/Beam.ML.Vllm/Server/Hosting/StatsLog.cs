using System.Globalization;
using Beam.ML.Vllm.Engine;
using Microsoft.Extensions.Logging;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>A line from time to time of what the engine does, in vLLM's words; none while it has nothing to do.</summary>
internal sealed partial class StatsLog(ILogger logger)
{
    private EngineStats _last = new();

    /// <summary>Writes until it is cancelled.</summary>
    public async Task RunAsync(LlmEngine engine, TimeSpan interval, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(interval);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken)) Write(engine.Stats, interval);
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    /// <summary>Writes what has come to pass since the last time, if anything has.</summary>
    public void Write(EngineStats now, TimeSpan since)
    {
        var (prompt, generation) = (now.PromptTokens - _last.PromptTokens, now.GenerationTokens - _last.GenerationTokens);
        var (queries, hits) = (now.PrefixCacheQueries - _last.PrefixCacheQueries, now.PrefixCacheHits - _last.PrefixCacheHits);
        _last = now;
        if (!logger.IsEnabled(LogLevel.Information) || (prompt == 0 && generation == 0 && now is { RunningRequests: 0, WaitingRequests: 0 })) return;
        LogStats(
            logger, Text(prompt / since.TotalSeconds), Text(generation / since.TotalSeconds), now.RunningRequests, now.WaitingRequests,
            Text(100 * now.KvCacheUsage), Text(queries == 0 ? 0 : 100.0 * hits / queries));

        static string Text(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Avg prompt throughput: {Prompt} tokens/s, Avg generation throughput: {Generation} tokens/s, Running: {Running} reqs, Waiting: {Waiting} reqs, KV cache usage: {Usage}%, Prefix cache hit rate: {HitRate}%")]
    private static partial void LogStats(ILogger logger, string prompt, string generation, int running, int waiting, string usage, string hitRate);
}
