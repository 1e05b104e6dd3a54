using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// A large language model that serves many requests at a time. Requests may come from any thread and join the batch at the next step;
/// each gets its outputs as they are made. A request's greedy or seeded output does not depend on what else is being served.
/// </summary>
public sealed partial class LlmEngine : IDisposable, IAsyncDisposable
{
    private readonly EngineOptions _options;
    private readonly EngineCore _core;
    private readonly EosTokens _eos;
    private readonly InputProcessor _inputs;
    private readonly LoraRegistry? _adapters;
    private readonly Thread _loop;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, LiveRequest> _live = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<RequestGroup> _aborts = new();
    private readonly ConcurrentQueue<(Sequence Longest, TaskCompletionSource Counted)> _searches = new();
    private readonly WaitingRoom _room;

    // Bounded by the waiting room: whatever is in it is taken before the next step.
    private readonly Channel<RequestGroup> _requests = Channel.CreateUnbounded<RequestGroup>(new UnboundedChannelOptions { SingleReader = true });

    private int _awaitingAdapters;
    private readonly CancellationTokenSource _stop = new();
    private volatile Exception? _death;

    /// <summary>Loads a model and starts the engine.</summary>
    /// <exception cref="ModelLoadException">The model is not there, incomplete, damaged or of an unknown architecture.</exception>
    /// <exception cref="TokenizerException">The model's tokenizer is missing or malformed.</exception>
    /// <exception cref="ArgumentException">An option is out of its range, or does not fit the model.</exception>
    public LlmEngine(EngineOptions options) : this(options, CancellationToken.None)
    {
    }

    private LlmEngine(EngineOptions options, CancellationToken cancellationToken) : this(options, EngineParts.Load(options, cancellationToken), cancellationToken)
    {
    }

    /// <summary>An engine over a device of any kind.</summary>
    internal LlmEngine(EngineOptions options, EngineParts parts, CancellationToken cancellationToken = default)
    {
        (_options, _eos, Tokenizer) = (options, parts.Eos, parts.Tokenizer);
        _inputs = new InputProcessor(this, _eos);
        _room = new WaitingRoom(options.MaxWaitingRequests, options.SchedulingPolicy);
        _core = new EngineCore(parts.Runner, options, _eos, () => Volatile.Read(ref _awaitingAdapters) + _room.Outside);
        ModelName = options.ModelName;
        ModelFolderPath = parts.Folder;
        MaxModelLength = parts.Runner.MaxModelLength;
        ModelMaxLength = parts.Runner.ModelMaxLength;
        VocabularySize = parts.Runner.VocabularySize;
        DefaultSamplingParams = parts.SamplingDefaults;
        MaxNewTokens = parts.MaxNewTokens;
        if (Tokenizer is not null) Prompts = new PromptLength(Tokenizer, MaxModelLength);
        if (options.EnableLora) _adapters = new LoraRegistry(request => parts.Runner.LoadLora(request, _stop.Token), options.MaxCpuLoras ?? options.MaxLoras, Wake);
        if (_adapters is not null) Metrics.Adapters = AdaptersInUse;
        try
        {
            using (cancellationToken.UnsafeRegister(static stop => ((CancellationTokenSource)stop!).Cancel(), _stop))
            {
                foreach (var module in options.LoraModules) _adapters!.Add(module);
            }

            cancellationToken.ThrowIfCancellationRequested();
        }
        catch
        {
            _adapters?.Close();
            _core.Dispose();
            throw;
        }

        _loop = new Thread(Loop) { IsBackground = true, Name = "vllm-engine" };
        _loop.Start();
    }

    /// <summary>How the engine was set up.</summary>
    internal EngineOptions Options => _options;

    /// <summary>What tells prompts that are too long by their text; null without a tokenizer.</summary>
    internal PromptLength? Prompts { get; }

    /// <summary>For tests: sequences whose last output has not been handed out.</summary>
    internal int LiveSequences => _core.LiveRequests;

    /// <summary>The name that the model is served under.</summary>
    public string ModelName { get; }

    /// <summary>The folder that the model was loaded from.</summary>
    public string ModelFolderPath { get; }

    /// <summary>The model's tokenizer; null if the engine was told to do without.</summary>
    public Tokenizer? Tokenizer { get; }

    /// <summary>The longest sequence, prompt and output together, in tokens.</summary>
    public int MaxModelLength { get; }

    /// <summary>
    /// The longest sequence that the model was made for, by its config.json. <see cref="MaxModelLength"/> is less where <c>max_model_len</c>
    /// says so, or where the memory for the cache does not last for more.
    /// </summary>
    public int ModelMaxLength { get; }

    /// <summary>Token ids are below this.</summary>
    public int VocabularySize { get; }

    /// <summary>The parameters of requests that bring none: the defaults, with what generation_config.json says.</summary>
    public SamplingParams DefaultSamplingParams { get; }

    /// <summary>The longest output by generation_config.json, in tokens; null if it does not say.</summary>
    internal int? MaxNewTokens { get; }

    /// <summary>The engine's state and counts.</summary>
    public EngineStats Stats => _core.Stats();

    /// <summary>The engine's metrics, histograms included, under vLLM's names.</summary>
    public EngineMetrics Metrics => _core.Metrics;

    /// <summary>Whether the engine serves requests.</summary>
    public bool IsAlive => _death is null && !_stop.IsCancellationRequested;

    /// <summary>Completes when the engine has stopped, for whatever reason.</summary>
    internal Task Stopped => _ended.Task;

    /// <summary>Loads a model on a thread of its own.</summary>
    /// <param name="options">What to load, and how.</param>
    /// <param name="cancellationToken">Ends the loading; once it is done, it does no more.</param>
    /// <inheritdoc cref="LlmEngine(EngineOptions)" path="/exception"/>
    public static Task<LlmEngine> LoadAsync(EngineOptions options, CancellationToken cancellationToken = default) =>
        Task.Factory.StartNew(() => new LlmEngine(options, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>
    /// Completes a text; yields outputs as they are made, the last one with <see cref="RequestOutput.Finished"/>. The request begins, and
    /// fails if it cannot be served, where it is enumerated; each enumeration is a request of its own.
    /// </summary>
    /// <param name="prompt">The prompt; the tokenizer's special tokens, such as a beginning of sequence, are added.</param>
    /// <param name="parameters">How to sample and when to stop; <see cref="DefaultSamplingParams"/> if null.</param>
    /// <param name="requestId">An id that no live request has; one is made if null.</param>
    /// <param name="priority">Lower is served first, under the priority policy.</param>
    /// <param name="lora">The adapter to serve it with, loaded if it is not in memory; null for the model itself.</param>
    /// <param name="cancellationToken">Aborts the request.</param>
    /// <exception cref="InvalidRequestException">The request cannot be served as it is.</exception>
    /// <exception cref="EngineDeadException">The engine has stopped.</exception>
    public IAsyncEnumerable<RequestOutput> GenerateAsync(
        string prompt,
        SamplingParams? parameters = null,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default) =>
        RunAsync(own => Encode(prompt, own.TruncatePromptTokens), prompt, parameters ?? DefaultSamplingParams, requestId, priority, lora, cancellationToken);

    /// <summary>As the other overload, for a prompt that is tokens already; nothing is added to them.</summary>
    /// <inheritdoc cref="GenerateAsync(string, SamplingParams?, string?, int, LoraRequest?, CancellationToken)"/>
    public IAsyncEnumerable<RequestOutput> GenerateAsync(
        ReadOnlyMemory<int> promptTokenIds,
        SamplingParams? parameters = null,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default) =>
        RunAsync(_ => promptTokenIds, prompt: null, parameters ?? DefaultSamplingParams, requestId, priority, lora, cancellationToken);

    /// <summary>Completes a text and returns the final output.</summary>
    /// <inheritdoc cref="GenerateAsync(string, SamplingParams?, string?, int, LoraRequest?, CancellationToken)"/>
    public Task<RequestOutput> CompleteAsync(
        string prompt,
        SamplingParams? parameters = null,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default) =>
        LastAsync(GenerateAsync(prompt, FinalOnly(parameters), requestId, priority, lora, cancellationToken));

    /// <summary>As the other overload, for a prompt that is tokens already.</summary>
    /// <inheritdoc cref="GenerateAsync(string, SamplingParams?, string?, int, LoraRequest?, CancellationToken)"/>
    public Task<RequestOutput> CompleteAsync(
        ReadOnlyMemory<int> promptTokenIds,
        SamplingParams? parameters = null,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default) =>
        LastAsync(GenerateAsync(promptTokenIds, FinalOnly(parameters), requestId, priority, lora, cancellationToken));

    /// <summary>Ends a request with what it has; its last output has the finish reason <c>abort</c>. An unknown id is ignored.</summary>
    public void Abort(string requestId)
    {
        if (_live.TryGetValue(requestId, out var live) && live.Abort() is { } request) Abort(request);
    }

    /// <summary>Stops the engine after the step under way and frees its memory; live requests end with <see cref="EngineDeadException"/>.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        Wake();
        _loop.Join();
    }

    /// <inheritdoc cref="Dispose"/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Wake();
        await _ended.Task;
    }

    /// <summary>Makes tokens of a prompt, unless it has so much text that it cannot fit; one of which the end alone is kept may be longer.</summary>
    private int[] Encode(string prompt, int? truncatePromptTokens = null)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (Prompts is null) throw new InvalidRequestException("The engine has no tokenizer (skip_tokenizer_init); give the prompt as token ids.");
        if (truncatePromptTokens is null) Prompts.Check(prompt);
        return Prompts.Tokenizer.Encode(prompt);
    }

    private IAsyncEnumerable<RequestOutput> RunAsync(
        Func<SamplingParams, ReadOnlyMemory<int>> promptIds,
        string? prompt,
        SamplingParams parameters,
        string? requestId,
        int priority,
        LoraRequest? lora,
        CancellationToken cancellationToken) =>
        StreamAsync(
            adapter => _inputs.Generation(promptIds(parameters).Span, prompt, _inputs.Prepare(parameters, cancellationToken), requestId, priority, adapter),
            requestId, priority, lora, cancellationToken);

    /// <summary>Does once what requests with the same parameters share.</summary>
    /// <exception cref="InvalidRequestException">The parameters cannot be served as they are.</exception>
    internal PreparedParams Prepare(SamplingParams parameters, CancellationToken cancellationToken) => _inputs.Prepare(parameters, cancellationToken);

    /// <summary>Continues a prompt with parameters that were prepared.</summary>
    internal IAsyncEnumerable<RequestOutput> GenerateAsync(
        ReadOnlyMemory<int> promptTokenIds, PreparedParams prepared, string? requestId, int priority, LoraRequest? lora, CancellationToken cancellationToken) =>
        StreamAsync(adapter => _inputs.Generation(promptTokenIds.Span, prompt: null, prepared, requestId, priority, adapter), requestId, priority, lora, cancellationToken);

    /// <summary>Serves one request from its making to its last output.</summary>
    private async IAsyncEnumerable<RequestOutput> StreamAsync(
        Func<LoraAdapter?, RequestGroup> make, string? requestId, int priority, LoraRequest? lora, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var live = new LiveRequest();
        if (requestId is not null) Register(requestId, live);
        try
        {
            // The adapter is let go last, when the step loop has been told that the request is over.
            using var lease = await AcquireAsync(lora, priority, live.Aborted, cancellationToken);
            var request = make(lease?.Adapter);
            if (requestId is null) Register(request.RequestId, live);
            requestId = request.RequestId;

            // It may lack its adapter, so it must not get into a step.
            if (!live.TryBegin(request)) _room.TryAbort(request);
            await foreach (var output in ServeAsync(request, cancellationToken)) yield return output;
        }
        finally
        {
            if (requestId is not null) _live.TryRemove(requestId, out _);
        }
    }

    /// <summary>Has the step loop serve a request to its last output.</summary>
    private async IAsyncEnumerable<RequestOutput> ServeAsync(RequestGroup request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var finished = false;
        try
        {
            await SubmitAsync(request, cancellationToken);
            while (!finished)
            {
                var output = await request.Output.TakeAsync(cancellationToken);
                finished = output.Finished;
                yield return output;
            }
        }
        finally
        {
            if (!finished) Abort(request);
        }
    }

    private void Register(string requestId, LiveRequest live)
    {
        if (!_live.TryAdd(requestId, live)) throw new InvalidRequestException($"Request id {requestId} is in use by a request that has not ended.");
    }

    private async ValueTask SubmitAsync(RequestGroup request, CancellationToken cancellationToken)
    {
        if (!await _room.EnterAsync(request, cancellationToken))
        {
            // Nobody else has it yet. The step loop ends it on arrival, and counts it with all others that have ended.
            request.Abort();
        }

        if (!_requests.Writer.TryWrite(request)) throw DeadEngine();
        Wake();
    }

    private void Abort(RequestGroup request)
    {
        if (_room.TryAbort(request)) return;

        // Even an engine that is stopping may be about to compute it.
        _aborts.Enqueue(request);
        Wake();
    }

    /// <summary>Lets an idle loop look at its queues; a loop that is busy looks before its next step anyway.</summary>
    private void Wake()
    {
        if (_wake.CurrentCount == 0) _wake.Release();
    }

    private void Loop()
    {
        try
        {
            _core.Attach();
            while (!_stop.IsCancellationRequested)
            {
                TakeRequests();
                if (_core.HasUnfinished) _core.Step();
                else _wake.Wait();
            }
        }
        catch (Exception e)
        {
            _death = e;
        }

        var failure = DeadEngine();
        _requests.Writer.TryComplete();
        _room.Close();
        while (_requests.Reader.TryRead(out var request)) request.Output.Fail(failure);
        _core.FailAll(failure);
        _adapters?.Close();
        _core.Dispose();
        _ended.SetResult();
    }

    private void TakeRequests()
    {
        while (_searches.TryDequeue(out var search))
        {
            _core.CountSearch(search.Longest);
            search.Counted.SetResult();
        }

        // Taken first: whoever let go of an adapter has put the end of its request on the queue before.
        var retired = _adapters?.TakeRetired() ?? [];
        while (_aborts.TryDequeue(out var request)) AbortNow(request);
        foreach (var adapter in retired) adapter.Dispose();
        var arrived = 0;
        while (_requests.Reader.TryRead(out var request))
        {
            if (request.Entry == WaitingRoom.Entry.Inside) arrived += request.Sequences.Count;
            foreach (var entry in request.Sequences)
            {
                if (entry is not var (sequence, output)) continue;
                _core.Add(sequence, output);
                if (sequence.FinishReason == FinishReason.Abort) _core.Abort(sequence);
            }
        }

        _room.Update(arrived, _core.WaitingRequests);
    }

    private void AbortNow(RequestGroup request)
    {
        // It may still be on its way here: the mark ends it on arrival.
        request.Abort();
        foreach (var entry in request.Sequences)
        {
            if (entry is var (sequence, _)) _core.Abort(sequence);
        }
    }

    private (IEnumerable<string> Running, IEnumerable<string> Waiting) AdaptersInUse()
    {
        var (running, waiting) = _core.Scheduler.Adapters;
        return (running, waiting.Union(_adapters!.Awaited).Order(StringComparer.Ordinal));
    }

    private EngineDeadException DeadEngine() => _death is { } cause
        ? new EngineDeadException($"The engine has stopped after an error: {cause.Message}", cause)
        : new EngineDeadException("The engine was shut down.");

    private SamplingParams FinalOnly(SamplingParams? parameters) => (parameters ?? DefaultSamplingParams) with { OutputKind = OutputKind.FinalOnly };

    private static async Task<RequestOutput> LastAsync(IAsyncEnumerable<RequestOutput> outputs)
    {
        RequestOutput? last = null;
        await foreach (var output in outputs) last = output;
        return last ?? throw new InvalidOperationException("The request ended without an output.");
    }
}
