using System.Collections.Concurrent;
using System.Globalization;
using Beam.FnApi;
using Beam.Harness;
using Beam.Model.FnExecution;
using Google.Protobuf;
using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

/// <summary>A runner with one harness, connected over in-memory streams: a test says which bundles it runs and sees what comes back.</summary>
internal sealed class FakeRunner : IFnApiService, IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, ProcessBundleDescriptor> _descriptors = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource<InstructionResponse>> _waiting = new();
    private readonly ConcurrentDictionary<string, Bundle> _bundles = new();
    private readonly TaskCompletionSource<IMessageStream<InstructionResponse, InstructionRequest>> _control = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<IMessageStream<Elements, Elements>> _data = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<ByteString, byte[]> _state = new();
    private readonly InMemoryFnApiConnector _connector;
    private readonly Task _harness;
    private int _lastId;
    private int _descriptorRequests;

    private FakeRunner(SdkHarnessOptions? options)
    {
        _connector = new InMemoryFnApiConnector(this, "worker-1");
        var harness = new SdkHarness(_connector, options ?? DefaultOptions);
        _harness = harness.RunAsync();
    }

    public static SdkHarnessOptions DefaultOptions => new() { WorkerId = "worker-1", WorkDirectory = Path.GetTempPath() };

    public static FakeRunner Start(SdkHarnessOptions? options = null) => new(options);

    public ConcurrentQueue<StateRequest> StateRequests { get; } = new();

    public ConcurrentQueue<LogEntry> Logs { get; } = new();

    /// <summary>How many bytes of state go into one page.</summary>
    public int PageSize { get; set; } = int.MaxValue;

    public int DescriptorRequests => Volatile.Read(ref _descriptorRequests);

    public void SetState(StateKey key, byte[] content) => _state[key.ToByteString()] = content;

    /// <summary>Starts a bundle; its input goes through <see cref="Bundle.SendAsync"/>.</summary>
    public async Task<Bundle> StartBundleAsync(Stage stage, Action<ProcessBundleRequest>? configure = null)
    {
        _descriptors[stage.Descriptor.Id] = stage.Descriptor;
        var id = NextId("bundle");
        var sinks = stage.Descriptor.Transforms.Where(t => t.Value.Spec.Urn == BeamModelUrns.Sink).Select(t => t.Key).ToHashSet();
        var bundle = new Bundle(this, id, sinks);
        _bundles[id] = bundle;
        var request = new ProcessBundleRequest { ProcessBundleDescriptorId = stage.Descriptor.Id };
        configure?.Invoke(request);
        bundle.Response = SendAsync(new InstructionRequest { InstructionId = id, ProcessBundle = request });
        return bundle;
    }

    /// <summary>Runs a bundle with one source to its end.</summary>
    public async Task<Bundle> RunBundleAsync<T>(
        Stage stage, PCollection<T> input, IEnumerable<WindowedValue<T>> elements, Action<ProcessBundleRequest>? configure = null)
    {
        var bundle = await StartBundleAsync(stage, configure);
        await bundle.SendAsync(input, elements, isLast: true);
        await bundle.Response;
        return bundle;
    }

    public Task<Bundle> RunBundleAsync<T>(Stage stage, PCollection<T> input, params IEnumerable<T> elements) =>
        RunBundleAsync(stage, input, elements.Select(e => WindowedValue.InGlobalWindow(e, Timestamp.Epoch)));

    public async Task<InstructionResponse> SendAsync(InstructionRequest request)
    {
        if (request.InstructionId.Length == 0) request.InstructionId = NextId("instruction");
        var answer = new TaskCompletionSource<InstructionResponse>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[request.InstructionId] = answer;
        await (await _control.Task).WriteAsync(request);
        if (await Task.WhenAny(answer.Task, _harness) == _harness) await _harness; // its error is what the test wants to see
        return await answer.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }

    /// <summary>Ends the data stream under the harness, and waits until the harness has ended.</summary>
    public async Task BreakDataAsync()
    {
        await (await _data.Task).CompleteAsync();
        await _harness;
    }

    /// <summary>Ends the control stream and waits until the harness has ended.</summary>
    public async Task StopAsync()
    {
        await (await _control.Task).CompleteAsync();
        await _harness;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _connector.DisposeAsync();
    }

    async Task IFnApiService.ControlAsync(string workerId, IMessageStream<InstructionResponse, InstructionRequest> stream, CancellationToken cancellationToken)
    {
        _control.SetResult(stream);
        await foreach (var response in stream.ReadAllAsync(cancellationToken))
        {
            if (_waiting.TryRemove(response.InstructionId, out var answer)) answer.SetResult(response);
        }
    }

    async Task IFnApiService.DataAsync(string workerId, IMessageStream<Elements, Elements> stream, CancellationToken cancellationToken)
    {
        _data.SetResult(stream);
        await foreach (var elements in stream.ReadAllAsync(cancellationToken))
        {
            foreach (var data in elements.Data) _bundles[data.InstructionId].Receive(data);
        }
    }

    async Task IFnApiService.StateAsync(string workerId, IMessageStream<StateRequest, StateResponse> stream, CancellationToken cancellationToken)
    {
        await foreach (var request in stream.ReadAllAsync(cancellationToken))
        {
            StateRequests.Enqueue(request);
            var from = request.Get.ContinuationToken.IsEmpty ? 0 : int.Parse(request.Get.ContinuationToken.ToStringUtf8(), CultureInfo.InvariantCulture);
            var content = _state.GetValueOrDefault(request.StateKey.ToByteString()) ?? [];
            var page = content.AsSpan(from, Math.Min(PageSize, content.Length - from));
            var next = from + page.Length;
            await stream.WriteAsync(new StateResponse
            {
                Id = request.Id,
                Get = new StateGetResponse
                {
                    Data = ByteString.CopyFrom(page),
                    ContinuationToken = next < content.Length ? ByteString.CopyFromUtf8(next.ToString(CultureInfo.InvariantCulture)) : ByteString.Empty,
                },
            }, cancellationToken);
        }
    }

    async Task IFnApiService.LoggingAsync(string workerId, IMessageStream<LogEntry.Types.List, LogControl> stream, CancellationToken cancellationToken)
    {
        await foreach (var list in stream.ReadAllAsync(cancellationToken))
        {
            foreach (var entry in list.LogEntries) Logs.Enqueue(entry);
        }
    }

    ProcessBundleDescriptor IFnApiService.GetProcessBundleDescriptor(string workerId, string id)
    {
        Interlocked.Increment(ref _descriptorRequests);
        return _descriptors[id];
    }

    private string NextId(string prefix) => prefix + "-" + Interlocked.Increment(ref _lastId).ToString(CultureInfo.InvariantCulture);

    private static class BeamModelUrns
    {
        public const string Sink = Model.BeamUrns.FnApiTransforms.DataSink;
    }

    /// <summary>A bundle, as the runner sees it.</summary>
    internal sealed class Bundle(FakeRunner runner, string id, HashSet<string> sinks)
    {
        private readonly List<Elements.Types.Data> _received = [];
        private readonly HashSet<string> _open = [.. sinks];
        private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Id => id;

        public Task<InstructionResponse> Response { get; set; } = null!;

        public async Task SendAsync<T>(PCollection<T> input, IEnumerable<WindowedValue<T>> elements, bool isLast)
        {
            var message = new Elements();
            message.Data.Add(new Elements.Types.Data { InstructionId = id, TransformId = "source:" + input.Id, Data_ = Stage.Encode(input, elements) });
            if (isLast) message.Data.Add(new Elements.Types.Data { InstructionId = id, TransformId = "source:" + input.Id, IsLast = true });
            await SendAsync(message);
        }

        public async Task SendAsync(Elements elements)
        {
            // A bundle that fails at once leaves no stream to send to.
            if (await Task.WhenAny(runner._data.Task, Response) == runner._data.Task) await (await runner._data.Task).WriteAsync(elements);
        }

        public Task<InstructionResponse> AskAsync(InstructionRequest request) => runner.SendAsync(request);

        public async Task<ProcessBundleProgressResponse> ProgressAsync() =>
            (await AskAsync(new InstructionRequest { ProcessBundleProgress = new ProcessBundleProgressRequest { InstructionId = id } })).ProcessBundleProgress;

        public async Task<ProcessBundleSplitResponse> SplitAsync<T>(PCollection<T> input, double fraction, long elements, params long[] allowed)
        {
            var split = new ProcessBundleSplitRequest { InstructionId = id };
            split.DesiredSplits.Add("source:" + input.Id, new ProcessBundleSplitRequest.Types.DesiredSplit
            {
                FractionOfRemainder = fraction, EstimatedInputElements = elements, AllowedSplitPoints = { allowed },
            });
            return (await AskAsync(new InstructionRequest { ProcessBundleSplit = split })).ProcessBundleSplit;
        }

        public void Receive(Elements.Types.Data data)
        {
            lock (_received)
            {
                _received.Add(data);
                if (data.IsLast) Assert.That(_open.Remove(data.TransformId), $"'{data.TransformId}' ended twice");
                if (_open.Count == 0) _complete.TrySetResult();
            }
        }

        /// <summary>What the bundle wrote to a sink; fails with the bundle's error if it has one.</summary>
        public async Task<List<WindowedValue<T>>> OutputAsync<T>(PCollection<T> collection)
        {
            var response = await Response;
            Assert.That(response.Error, Is.Empty);
            foreach (var data in response.ProcessBundle.Elements?.Data ?? []) Receive(data);
            await _complete.Task.WaitAsync(TimeSpan.FromMinutes(2));
            lock (_received)
                return Stage.Decode(collection, _received.Where(d => d.TransformId == "sink:" + collection.Id && !d.IsLast).Select(d => d.Data_));
        }

        public async Task<List<T>> ValuesAsync<T>(PCollection<T> collection) => [.. (await OutputAsync(collection)).Select(e => e.Value)];

        public async Task<string> ErrorAsync() => (await Response).Error;
    }
}
