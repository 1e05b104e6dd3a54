namespace Beam.ML.Vllm.Engine;

/// <summary>The engine without its thread: requests are added, steps are taken, each one schedule → execute → postprocess.</summary>
internal sealed class EngineCore : IDisposable
{
    private readonly IModelRunner _runner;
    private readonly Func<int>? _waitingOutside;
    private readonly BlockManager _blocks;
    private readonly Scheduler _scheduler;
    private readonly OutputProcessor _outputs;
    private readonly DraftCounts _drafts;
    private long _steps;
    private long _computedTokens;
    private long _batchSizes;

    /// <param name="runner">Computes the steps.</param>
    /// <param name="options">How it is set up.</param>
    /// <param name="eos">What ends a text.</param>
    /// <param name="waitingOutside">Requests that wait for something else before they come here.</param>
    public EngineCore(IModelRunner runner, EngineOptions options, EosTokens eos, Func<int>? waitingOutside = null)
    {
        (_runner, _waitingOutside) = (runner, waitingOutside);
        _drafts = new DraftCounts(options.SpeculativeConfig?.NumSpeculativeTokens ?? 0);
        _blocks = new BlockManager(runner.Blocks, options.BlockSize, options.EnablePrefixCaching);
        var proposer = options.SpeculativeConfig is { } speculation ? new NgramProposer(speculation, runner.MaxModelLength) : null;
        _scheduler = new Scheduler(_blocks, options.MaxNumSequences, options.MaxNumBatchedTokens, options.SchedulingPolicy, options.MaxLoras, proposer);

        // A listener of the meter may ask for the counts before there is anything to count.
        Metrics = new EngineMetrics(options, runner.MaxModelLength, runner.Blocks, Stats);
        _outputs = new OutputProcessor(eos, runner.MaxModelLength, Metrics);
    }

    public bool HasUnfinished => _scheduler.HasUnfinished;

    public int WaitingRequests => _scheduler.Waiting.Count;

    /// <summary>Requests whose last output has not been handed out.</summary>
    public int LiveRequests => _outputs.Live;

    public EngineMetrics Metrics { get; }

    public BlockManager Blocks => _blocks;

    public Scheduler Scheduler => _scheduler;

    public void Add(Sequence sequence, OutputState output)
    {
        _outputs.Add(sequence, output);
        _scheduler.Add(sequence);
    }

    public void Abort(Sequence sequence)
    {
        _scheduler.Remove(sequence);
        _outputs.Abort(sequence);
    }

    /// <summary>Counts a beam search that has ended, by its longest completion.</summary>
    public void CountSearch(Sequence longest) => _outputs.CountSearch(longest);

    /// <summary>Ends every request with an error.</summary>
    public void FailAll(Exception failure) => _outputs.FailAll(failure);

    /// <summary>Called once by the thread that will run all steps.</summary>
    public void Attach() => _runner.Attach();

    /// <summary>One step; returns whether there was anything to do.</summary>
    public bool Step()
    {
        var step = _scheduler.Schedule();
        if (step.Scheduled.Count == 0) return false;
        Postprocess(step, _runner.Execute(step));
        return true;
    }

    /// <summary>Counts; read from any thread, they may be of neighbouring steps.</summary>
    public EngineStats Stats() => _outputs is null ? new EngineStats() : new EngineStats
    {
        RunningRequests = _scheduler.Running.Count,
        WaitingRequests = _scheduler.Waiting.Count + (_waitingOutside?.Invoke() ?? 0),
        KvCacheUsage = 1 - ((double)_blocks.FreeBlocks / _blocks.TotalBlocks),
        KvCacheBlocks = _blocks.TotalBlocks,
        MatrixKernels = _runner.MatrixKernels,
        WeightBytes = _runner.WeightBytes,
        PrefixCacheQueries = _blocks.PrefixQueries,
        PrefixCacheHits = _blocks.PrefixHits,
        Preemptions = _scheduler.Preemptions,
        PromptTokens = _outputs.PromptTokens,
        CachedPromptTokens = _outputs.CachedPromptTokens,
        GenerationTokens = _outputs.GenerationTokens,
        ComputedTokens = _computedTokens,
        FinishedRequests = _outputs.FinishedRequests,
        Steps = _steps,
        SpecDecodeDrafts = _drafts.Drafts,
        SpecDecodeDraftTokens = _drafts.DraftTokens,
        SpecDecodeAcceptedTokens = _drafts.AcceptedTokens,
        SpecDecodeAcceptedTokensPerPosition = _drafts.AcceptedAt,
        MeanBatchSize = _steps == 0 ? 0 : (double)_batchSizes / _steps,
    };

    public void Dispose()
    {
        Metrics.Dispose();
        _runner.Dispose();
    }

    private void Postprocess(SchedulerOutput step, ModelRunnerOutput output)
    {
        _steps++;
        _computedTokens += step.TotalTokens;
        _batchSizes += step.Scheduled.Count;
        Metrics.Step(step.TotalTokens);
        for (var i = 0; i < step.Scheduled.Count; i++)
        {
            var scheduled = step.Scheduled[i];
            if (output.PromptLogprobs(i) is { } prompt) _outputs.ProcessPrompt(scheduled.Sequence, prompt);
            if (!scheduled.Samples)
            {
                _scheduler.Advance(scheduled);
                continue;
            }

            // A request may end in the midst of its tokens; the rest is dropped. Whoever sees its last output finds its blocks free.
            if (output.Pooled(i) is { } pooled) _outputs.ProcessPooled(scheduled.Sequence, pooled);
            else _outputs.Process(scheduled.Sequence, output.Tokens(i), output.Logprobs(i));
            _drafts.Count(scheduled.Drafts, output.Tokens(i).Length);
            _scheduler.Advance(scheduled);
            if (scheduled.Sequence.FinishReason is not null) _scheduler.Remove(scheduled.Sequence);
            if (_outputs.Publish(scheduled.Sequence)) _scheduler.Remove(scheduled.Sequence);
        }
    }
}
