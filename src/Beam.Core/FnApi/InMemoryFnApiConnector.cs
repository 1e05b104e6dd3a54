using Beam.Model.FnExecution;
using Beam.Model.Pipeline;

namespace Beam.FnApi;

/// <summary>Connects a harness to a runner in the same process: the same messages, over channels instead of sockets.</summary>
internal sealed class InMemoryFnApiConnector(IFnApiService service, string workerId) : IFnApiConnector
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly List<Task> _serving = [];
    private bool _disposed;

    public ValueTask<IMessageStream<InstructionRequest, InstructionResponse>> ConnectControlAsync(CancellationToken cancellationToken) =>
        new(Connect<InstructionRequest, InstructionResponse>(service.ControlAsync));

    public ValueTask<IMessageStream<Elements, Elements>> ConnectDataAsync(ApiServiceDescriptor endpoint, CancellationToken cancellationToken) =>
        new(Connect<Elements, Elements>(service.DataAsync));

    public ValueTask<IMessageStream<StateResponse, StateRequest>> ConnectStateAsync(ApiServiceDescriptor endpoint, CancellationToken cancellationToken) =>
        new(Connect<StateResponse, StateRequest>(service.StateAsync));

    public ValueTask<IMessageStream<LogControl, LogEntry.Types.List>> ConnectLoggingAsync(CancellationToken cancellationToken) =>
        new(Connect<LogControl, LogEntry.Types.List>(service.LoggingAsync));

    public ValueTask<ProcessBundleDescriptor> GetProcessBundleDescriptorAsync(string id, CancellationToken cancellationToken) =>
        new(service.GetProcessBundleDescriptor(workerId, id));

    /// <summary>Ends every stream and waits until the runner's side has noticed.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] serving;
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            serving = [.. _serving];
        }

        await _stop.CancelAsync();
        await Task.WhenAll(serving);
        _stop.Dispose();
    }

    private IMessageStream<TRead, TWrite> Connect<TRead, TWrite>(Func<string, IMessageStream<TWrite, TRead>, CancellationToken, Task> serve)
    {
        var (harness, runner) = MessageStream.CreatePair<TRead, TWrite>();
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _serving.Add(ServeAsync(runner));
        }

        return harness;

        async Task ServeAsync(IMessageStream<TWrite, TRead> stream)
        {
            await Task.Yield();
            await using (stream)
            {
                try
                {
                    await serve(workerId, stream, _stop.Token);
                    await stream.CompleteAsync();
                }
                catch (OperationCanceledException) when (_stop.IsCancellationRequested)
                {
                    await stream.CompleteAsync();
                }
                catch (Exception e)
                {
                    await stream.CompleteAsync(e); // the harness's end sees it
                }
            }
        }
    }
}
