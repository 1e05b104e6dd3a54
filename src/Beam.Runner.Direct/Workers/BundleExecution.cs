using Beam.Model.FnExecution;
using Beam.Runner.Direct.Engine;
using Google.Protobuf;

namespace Beam.Runner.Direct.Workers;

/// <summary>
/// One attempt at a bundle on one worker: elements go out while the outputs come in, and nothing of it counts before the harness has
/// said that the bundle succeeded and every output has ended.
/// </summary>
internal sealed class BundleExecution
{
    private readonly SdkWorker _worker;
    private readonly Dictionary<string, List<Chunk>> _outputs = [];
    private readonly HashSet<string> _open;
    private readonly TaskCompletionSource _outputsEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public BundleExecution(Bundle bundle, SdkWorker worker)
    {
        (Bundle, _worker) = (bundle, worker);
        InstructionId = worker.NextInstructionId();
        _open = [.. bundle.Stage.Sinks.Keys];
        if (_open.Count == 0) _outputsEnded.SetResult();
    }

    public Bundle Bundle { get; }

    public string InstructionId { get; }

    /// <summary>The latest metrics that the harness reported while the bundle ran.</summary>
    public IReadOnlyList<MetricUpdate> LatestMetrics { get; set; } = [];

    /// <summary>Runs the bundle.</summary>
    /// <exception cref="BundleFailedException">The user's code failed.</exception>
    /// <exception cref="WorkerLostException">The worker is gone.</exception>
    public async Task<BundleResult> RunAsync(CancellationToken cancellationToken)
    {
        _worker.Register(this);
        using var sending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var response = _worker.SendAsync(Request(), sending.Token);
        var input = SendInputAsync(sending.Token);
        try
        {
            // A harness that fails does not wait for the rest of its input; one that is lost ends both.
            if (await Task.WhenAny(response, input) == input) await input;
            var result = await response;
            if (result.Error.Length > 0)
                throw new BundleFailedException(result.Error) { Metrics = MonitoringInfos.ToMetrics(result.ProcessBundle?.MonitoringInfos ?? []) };
            await input;
            if (result.ProcessBundle is not { } processed) throw new BundleFailedException("The harness answered a bundle with something else.");
            if (processed.Elements is { } elements) _worker.Receive(elements);
            if (processed.ResidualRoots.Count > 0) throw new BundleFailedException("The harness returned unprocessed elements, which the runner did not ask for.");
            await _outputsEnded.Task.WaitAsync(cancellationToken);
            return new BundleResult(_outputs, MonitoringInfos.ToMetrics(processed.MonitoringInfos));
        }
        finally
        {
            await sending.CancelAsync();
            _worker.Unregister(this);
            await Task.WhenAll(response, input).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Takes a part of an output. Parts of one output come one after the other.</summary>
    public void Receive(Elements.Types.Data data)
    {
        try
        {
            if (!Bundle.Stage.Sinks.TryGetValue(data.TransformId, out var dataset))
                throw new InvalidDataException($"The harness wrote to '{data.TransformId}', which is no output of {Bundle.Stage.Name}.");
            lock (_outputs)
            {
                if (!_open.Contains(data.TransformId)) throw new InvalidDataException($"The harness wrote to '{data.TransformId}' after its end.");
                if (data.Data_.Length > 0)
                {
                    if (!_outputs.TryGetValue(data.TransformId, out var chunks)) _outputs.Add(data.TransformId, chunks = []);
                    chunks.Add(new Chunk(data.Data_.Memory, ElementReader.Count(data.Data_.Span, dataset.Elements, dataset.Windows)));
                }

                if (data.IsLast) _open.Remove(data.TransformId);
                if (_open.Count == 0) _outputsEnded.TrySetResult();
            }
        }
        catch (InvalidDataException e)
        {
            Fail(new BundleFailedException(e.Message));
        }
    }

    /// <summary>The outputs will not end.</summary>
    public void Fail(Exception error)
    {
        _outputsEnded.TrySetException(error);
        _ = _outputsEnded.Task.Exception; // observed: the response may tell first
    }

    private InstructionRequest Request()
    {
        var request = new ProcessBundleRequest { ProcessBundleDescriptorId = Bundle.Stage.DescriptorId };
        foreach (var side in Bundle.Stage.SideInputs)
        {
            // A side input never changes within a job: harnesses may keep what they have read for the bundles to come.
            request.CacheTokens.Add(new ProcessBundleRequest.Types.CacheToken
            {
                SideInput = new() { TransformId = side.TransformId, SideInputId = side.Name },
                Token = ByteString.CopyFromUtf8(side.Dataset.Name),
            });
        }

        return new InstructionRequest { InstructionId = InstructionId, ProcessBundle = request };
    }

    private async Task SendInputAsync(CancellationToken cancellationToken)
    {
        foreach (var chunk in Bundle.Input) await SendAsync(UnsafeByteOperations.UnsafeWrap(chunk.Data), isLast: false, cancellationToken);
        await SendAsync(ByteString.Empty, isLast: true, cancellationToken);
    }

    private Task SendAsync(ByteString bytes, bool isLast, CancellationToken cancellationToken) => _worker.WriteDataAsync(
        new Elements
        {
            Data =
            {
                new Elements.Types.Data { InstructionId = InstructionId, TransformId = Bundle.Stage.SourceTransformId, Data_ = bytes, IsLast = isLast },
            },
        }, cancellationToken);
}

/// <summary>The user's code failed on a bundle; the message is the harness's report.</summary>
internal sealed class BundleFailedException(string error) : Exception(error)
{
    /// <summary>What the bundle had done until then, if the harness says so with the failure.</summary>
    public IReadOnlyList<MetricUpdate> Metrics { get; init; } = [];
}
