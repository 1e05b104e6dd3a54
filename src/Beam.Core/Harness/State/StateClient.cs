using System.Collections.Concurrent;
using System.Globalization;
using Beam.FnApi;
using Beam.Model.FnExecution;
using Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>The runner's state: one stream for each endpoint, with any number of requests on their way.</summary>
/// <param name="connector">Opens the streams.</param>
/// <param name="onBroken">Is told of a stream that ends before the harness does: no bundle could read its state any more.</param>
internal sealed class StateClient(IFnApiConnector connector, Action<Exception> onBroken) : IAsyncDisposable
{
    private readonly StreamPool<StateStream> _streams = new();

    public ValueTask<StateStream> ConnectAsync(ApiServiceDescriptor endpoint, CancellationToken cancellationToken) =>
        _streams.GetAsync(endpoint.Url, async ct => new StateStream(await connector.ConnectStateAsync(endpoint, ct), onBroken), cancellationToken);

    public ValueTask DisposeAsync() => _streams.DisposeAsync();
}

/// <summary>The state stream to one endpoint.</summary>
internal sealed class StateStream : IAsyncDisposable
{
    private readonly IMessageStream<StateResponse, StateRequest> _stream;
    private readonly ConcurrentDictionary<string, TaskCompletionSource<StateResponse>> _waiting = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Action<Exception> _onBroken;
    private readonly Task _reading;
    private long _lastId;
    private volatile Exception? _error;

    public StateStream(IMessageStream<StateResponse, StateRequest> stream, Action<Exception> onBroken)
    {
        _stream = stream;
        _onBroken = onBroken;
        _reading = Task.Run(ReadAsync);
    }

    /// <summary>Sends a request, which gets its id here, and returns the response.</summary>
    /// <exception cref="IOException">The runner refused it, or the stream broke.</exception>
    public async Task<StateResponse> CallAsync(StateRequest request, CancellationToken cancellationToken)
    {
        request.Id = Interlocked.Increment(ref _lastId).ToString(CultureInfo.InvariantCulture);
        var answer = new TaskCompletionSource<StateResponse>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[request.Id] = answer;
        try
        {
            if (_error is { } broken) throw Broken(broken);
            await _stream.WriteAsync(request, cancellationToken);
            var response = await answer.Task.WaitAsync(cancellationToken);
            return response.Error.Length == 0
                ? response
                : throw new IOException($"The runner refused a state request of bundle '{request.InstructionId}': {response.Error}");
        }
        finally
        {
            _waiting.TryRemove(request.Id, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _stream.CompleteAsync();
        await _reading;
        await _stream.DisposeAsync();
        _stop.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            await foreach (var response in _stream.ReadAllAsync(_stop.Token))
            {
                if (_waiting.TryRemove(response.Id, out var answer)) answer.TrySetResult(response);
            }

            Fail(new IOException("The runner closed it."));
        }
        catch (Exception e)
        {
            Fail(e); // whoever waits, and whoever asks from now on, gets it
        }
    }

    private void Fail(Exception error)
    {
        _error = error;
        foreach (var answer in _waiting.Values) answer.TrySetException(Broken(error));
        if (!_stop.IsCancellationRequested) _onBroken(error);
    }

    private static IOException Broken(Exception error) => new($"The state stream to the runner broke: {error.Message}", error);
}
