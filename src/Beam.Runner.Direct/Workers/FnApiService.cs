using System.Collections.Concurrent;
using Beam.FnApi;
using Beam.Model.FnExecution;

namespace Beam.Runner.Direct.Workers;

/// <summary>The Fn API of one job: finds the worker that a call comes from.</summary>
internal sealed class FnApiService(Action<string, LogEntry> onLogEntry) : IFnApiService
{
    private readonly ConcurrentDictionary<string, SdkWorker> _workers = new();
    private readonly ConcurrentDictionary<string, ProcessBundleDescriptor> _descriptors = new();

    /// <summary>Harnesses can ask for these from here on.</summary>
    public void Publish(IEnumerable<ProcessBundleDescriptor> descriptors)
    {
        foreach (var descriptor in descriptors) _descriptors[descriptor.Id] = descriptor;
    }

    /// <summary>From here on a worker of this id is expected.</summary>
    public SdkWorker Expect(string workerId)
    {
        var worker = new SdkWorker(workerId);
        return _workers.TryAdd(workerId, worker) ? worker : throw new InvalidOperationException($"There is a worker '{workerId}' already.");
    }

    /// <summary>Calls of this worker are refused from here on.</summary>
    public void Forget(SdkWorker worker) => _workers.TryRemove(worker.Id, out _);

    public Task ControlAsync(string workerId, IMessageStream<InstructionResponse, InstructionRequest> stream, CancellationToken cancellationToken) =>
        Worker(workerId).ControlAsync(stream, cancellationToken);

    public Task DataAsync(string workerId, IMessageStream<Elements, Elements> stream, CancellationToken cancellationToken) =>
        Worker(workerId).DataAsync(stream, cancellationToken);

    public Task StateAsync(string workerId, IMessageStream<StateRequest, StateResponse> stream, CancellationToken cancellationToken) =>
        Worker(workerId).StateAsync(stream, cancellationToken);

    public async Task LoggingAsync(string workerId, IMessageStream<LogEntry.Types.List, LogControl> stream, CancellationToken cancellationToken)
    {
        Worker(workerId);
        await foreach (var list in stream.ReadAllAsync(cancellationToken))
        {
            foreach (var entry in list.LogEntries) onLogEntry(workerId, entry);
        }
    }

    public ProcessBundleDescriptor GetProcessBundleDescriptor(string workerId, string id)
    {
        Worker(workerId);
        return _descriptors.TryGetValue(id, out var descriptor) ? descriptor : throw new KeyNotFoundException($"There is no process bundle descriptor '{id}'.");
    }

    private SdkWorker Worker(string id) => _workers.TryGetValue(id, out var worker) ? worker : throw new KeyNotFoundException($"No worker '{id}' is expected.");
}
