using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.Cli.Engine.Bench;

/// <summary>Ways to send work to an engine.</summary>
internal static class EngineRuns
{
    /// <summary>Greedy, and of exactly the length that the work asks for.</summary>
    public static SamplingParams Parameters(Work work, OutputKind kind = OutputKind.FinalOnly) =>
        new() { Temperature = 0, MaxTokens = work.OutputTokens, IgnoreEos = true, OutputKind = kind };

    public static async Task CompleteAsync(LlmEngine engine, Work work, CancellationToken cancellationToken = default)
    {
        var output = await engine.CompleteAsync(work.Prompt, Parameters(work), cancellationToken: cancellationToken);
        if (output.Metrics.OutputTokens != work.OutputTokens)
            throw new InvalidOperationException($"The engine made {output.Metrics.OutputTokens} tokens where {work.OutputTokens} were asked for.");
    }

    /// <summary>Sends all work, so many requests at a time, each as soon as another has ended.</summary>
    public static async Task RunAsync(LlmEngine engine, IReadOnlyList<Work> work, int concurrency, CancellationToken cancellationToken = default)
    {
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(concurrency, work.Count)).Select(async _ =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < work.Count;) await CompleteAsync(engine, work[i], cancellationToken);
        }));
    }

    /// <summary>A batch at a time, each waiting for the longest of the one before.</summary>
    public static async Task RunBatchesAsync(LlmEngine engine, IEnumerable<Work[]> batches, CancellationToken cancellationToken = default)
    {
        foreach (var batch in batches) await RunAsync(engine, batch, batch.Length, cancellationToken);
    }

    /// <summary>
    /// Output tokens per second while so many requests decode, prompts and the first and last steps left out. Where a busy machine let the
    /// first end before the last began, answers are made longer.
    /// </summary>
    public static async Task<Rate> DecodeAsync(LlmEngine engine, int streams, int outputTokens, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var window = new DecodeWindow(streams, outputTokens);
            await Task.WhenAll(Workload.Even(streams, 16, outputTokens, engine.VocabularySize, seed: streams).Select(async work =>
            {
                var tokens = 0;
                await foreach (var output in engine.GenerateAsync(work.Prompt, Parameters(work, OutputKind.Delta), cancellationToken: cancellationToken))
                    window.Add(tokens, tokens += output.TokenIds.Count);
            }));
            if (window.Rate is { } rate) return rate;
            if (16 + (2 * outputTokens) > engine.MaxModelLength)
                throw new InvalidOperationException($"{streams} streams of {outputTokens} tokens never ran all at a time: allow more requests (max_num_seqs).");
            outputTokens *= 2;
        }
    }

    /// <summary>Prompt tokens per second of one prompt.</summary>
    public static async Task<Rate> PrefillAsync(LlmEngine engine, int tokens, CancellationToken cancellationToken = default)
    {
        var work = Workload.Even(1, tokens, 1, engine.VocabularySize)[0];
        return Rate.Of(tokens, await Cost.OfAsync(() => CompleteAsync(engine, work, cancellationToken)));
    }
}
