using Beam.FnApi;
using Beam.Model.FnExecution;
using Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>All data of a harness: one stream for each endpoint, whatever the number of bundles that share it.</summary>
/// <param name="connector">Opens the streams.</param>
/// <param name="maxInboundBytes">How many bytes may wait for their bundles before a bundle that is slow stops its stream.</param>
/// <param name="onBroken">Is told of a stream that ends before the harness does: no bundle can be processed any more.</param>
internal sealed class DataClient(IFnApiConnector connector, long maxInboundBytes, Action<Exception> onBroken) : IAsyncDisposable
{
    private const int RememberedInstructions = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, InboundQueue> _inbound = [];
    private readonly HashSet<string> _finished = [];
    private readonly Queue<string> _finishedOrder = new();
    private readonly StreamPool<RunnerStream<Elements, Elements>> _streams = new();
    private readonly InboundBudget _budget = new(maxInboundBytes);
    private Exception? _error;

    /// <summary>What arrives for a bundle. Data may come before its instruction does.</summary>
    public InboundQueue Open(string instructionId)
    {
        lock (_lock)
        {
            if (_error is not null) throw new IOException("The data stream to the runner is broken.", _error);
            if (!_inbound.TryGetValue(instructionId, out var queue)) _inbound.Add(instructionId, queue = new InboundQueue(_budget));
            return queue;
        }
    }

    /// <summary>Forgets a bundle: what still arrives for it is dropped.</summary>
    public void Forget(string instructionId)
    {
        InboundQueue? queue;
        lock (_lock)
        {
            _inbound.Remove(instructionId, out queue);
            if (_finished.Add(instructionId))
            {
                _finishedOrder.Enqueue(instructionId);
                if (_finishedOrder.Count > RememberedInstructions) _finished.Remove(_finishedOrder.Dequeue());
            }
        }

        queue?.Close(new InvalidOperationException($"The bundle '{instructionId}' is over."));
    }

    /// <summary>The stream to an endpoint, opened at its first use.</summary>
    public ValueTask<RunnerStream<Elements, Elements>> ConnectAsync(ApiServiceDescriptor endpoint, CancellationToken cancellationToken) =>
        _streams.GetAsync(
            endpoint.Url, async ct => new RunnerStream<Elements, Elements>(await connector.ConnectDataAsync(endpoint, ct), ReceiveAsync, Break), cancellationToken);

    public ValueTask DisposeAsync() => _streams.DisposeAsync();

    private async ValueTask ReceiveAsync(Elements elements, CancellationToken cancellationToken)
    {
        foreach (var data in elements.Data)
        {
            if (Route(data.InstructionId) is { } queue) await queue.AddAsync(InboundQueue.Of(data)).AsTask().WaitAsync(cancellationToken);
        }

        foreach (var timers in elements.Timers)
        {
            if (Route(timers.InstructionId) is { } queue) await queue.AddAsync(InboundQueue.Of(timers)).AsTask().WaitAsync(cancellationToken);
        }
    }

    private InboundQueue? Route(string instructionId)
    {
        lock (_lock)
        {
            if (_inbound.TryGetValue(instructionId, out var queue)) return queue;
            if (_finished.Contains(instructionId)) return null;
            _inbound.Add(instructionId, queue = new InboundQueue(_budget));
            return queue;
        }
    }

    private void Break(Exception error)
    {
        Fail(error);
        onBroken(error);
    }

    internal void Fail(Exception error)
    {
        InboundQueue[] queues;
        lock (_lock)
        {
            _error ??= error;
            queues = [.. _inbound.Values];
        }

        foreach (var queue in queues) queue.Close(new IOException($"The data stream to the runner broke: {error.Message}", error));
    }
}
