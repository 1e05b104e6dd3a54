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
    private readonly RunnerStream<StateResponse, StateRequest> _stream;
    private readonly ConcurrentDictionary<string, TaskCompletionSource<StateResponse>> _waiting = new();
    private long _lastId;
    private volatile Exception? _error;

    public StateStream(IMessageStream<StateResponse, StateRequest> stream, Action<Exception> onBroken)
    {
        _stream = new RunnerStream<StateResponse, StateRequest>(stream, Receive, error =>
        {
            Fail(error);
            onBroken(error);
        });
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
            await _stream.SendAsync(request, cancellationToken);
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

    public ValueTask DisposeAsync()
    {
        Fail(new OperationCanceledException("The harness ends."));
        return _stream.DisposeAsync();
    }

    private ValueTask Receive(StateResponse response, CancellationToken cancellationToken)
    {
        if (_waiting.TryRemove(response.Id, out var answer)) answer.TrySetResult(response);
        return ValueTask.CompletedTask;
    }

    /// <summary>Whoever waits, and whoever asks from now on, gets the error.</summary>
    private void Fail(Exception error)
    {
        _error = error;
        foreach (var answer in _waiting.Values) answer.TrySetException(Broken(error));
    }

    private static IOException Broken(Exception error) => new($"The state stream to the runner broke: {error.Message}", error);
}
