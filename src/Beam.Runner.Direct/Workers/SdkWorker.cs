using System.Collections.Concurrent;
using System.Globalization;
using Beam.FnApi;
using Beam.Model.FnExecution;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Workers;

/// <summary>The runner's view of one SDK harness: its control, data and state streams, and the bundles that it executes.</summary>
internal sealed class SdkWorker(string id)
{
    private readonly TaskCompletionSource<IMessageStream<InstructionResponse, InstructionRequest>> _control = New<IMessageStream<InstructionResponse, InstructionRequest>>();
    private readonly TaskCompletionSource<IMessageStream<Elements, Elements>> _data = New<IMessageStream<Elements, Elements>>();
    private readonly TaskCompletionSource<WorkerLostException> _lost = New<WorkerLostException>();
    private readonly ConcurrentDictionary<string, TaskCompletionSource<InstructionResponse>> _pending = new();
    private readonly ConcurrentDictionary<string, BundleExecution> _bundles = new();
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _instructions;

    public string Id { get; } = id;

    /// <summary>Completes when the harness has opened its control stream.</summary>
    public Task Connected => _control.Task;

    /// <summary>Completes, with the reason, when the worker can execute nothing any more.</summary>
    public Task<WorkerLostException> Lost => _lost.Task;

    /// <summary>The bundles that the worker executes now.</summary>
    public IEnumerable<BundleExecution> Bundles => _bundles.Values;

    /// <summary>A name for an instruction that no other one of this worker has.</summary>
    public string NextInstructionId() => string.Create(CultureInfo.InvariantCulture, $"{Id}/{Interlocked.Increment(ref _instructions)}");

    /// <summary>Sends an instruction and waits for its response, which may be an error.</summary>
    /// <exception cref="WorkerLostException">The worker is gone.</exception>
    public async Task<InstructionResponse> SendAsync(InstructionRequest request, CancellationToken cancellationToken)
    {
        var response = New<InstructionResponse>();
        _pending[request.InstructionId] = response;
        try
        {
            if (_lost.Task.IsCompleted) throw await _lost.Task;
            var control = await _control.Task.WaitAsync(cancellationToken);
            await WriteAsync(control, request, cancellationToken);
            return await response.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            _pending.TryRemove(request.InstructionId, out _);
        }
    }

    /// <summary>The data stream, once the harness has opened it.</summary>
    public async Task WriteDataAsync(Elements elements, CancellationToken cancellationToken) =>
        await WriteAsync(await _data.Task.WaitAsync(cancellationToken), elements, cancellationToken);

    /// <summary>From here on data and state requests of a bundle find it.</summary>
    public void Register(BundleExecution bundle) => _bundles[bundle.InstructionId] = bundle;

    public void Unregister(BundleExecution bundle) => _bundles.TryRemove(bundle.InstructionId, out _);

    /// <summary>Asks the harness to end: there are no more instructions.</summary>
    public void Complete() => _completed.TrySetResult();

    /// <summary>Everything that waits for this worker gets the reason.</summary>
    public void Fail(string reason, Exception? cause = null)
    {
        var error = new WorkerLostException(reason, cause);
        _lost.TrySetResult(error);
        _control.TrySetException(error);
        _data.TrySetException(error);
        _ = _control.Task.Exception; // observed: nobody has to be waiting
        _ = _data.Task.Exception;
        foreach (var pending in _pending.Values) pending.TrySetException(error);
        foreach (var bundle in _bundles.Values) bundle.Fail(error);
    }

    /// <summary>Serves the control stream until the harness closes it.</summary>
    public async Task ControlAsync(IMessageStream<InstructionResponse, InstructionRequest> stream, CancellationToken cancellationToken)
    {
        if (!_control.TrySetResult(stream)) throw new InvalidOperationException($"{Id} has opened its control stream already.");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var reading = ReadResponsesAsync(stream, stop.Token);
        // The harness sees the end of its instructions when this method returns.
        await Task.WhenAny(reading, _completed.Task);
        await stop.CancelAsync();
        await reading;
    }

    private async Task ReadResponsesAsync(IMessageStream<InstructionResponse, InstructionRequest> stream, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var response in stream.ReadAllAsync(cancellationToken))
            {
                if (_pending.TryGetValue(response.InstructionId, out var pending)) pending.TrySetResult(response);
            }

            Fail($"{Id} has closed its control stream.");
        }
        catch (Exception e)
        {
            Fail(_completed.Task.IsCompleted ? $"{Id} was told to end." : $"The connection to {Id} broke.", e);
        }
    }

    /// <summary>Serves the data stream until the harness closes it.</summary>
    public async Task DataAsync(IMessageStream<Elements, Elements> stream, CancellationToken cancellationToken)
    {
        if (!_data.TrySetResult(stream)) throw new InvalidOperationException($"{Id} has opened its data stream already.");
        await ServeAsync("data", async () =>
        {
            await foreach (var elements in stream.ReadAllAsync(cancellationToken)) Receive(elements);
        });
    }

    /// <summary>Serves the state stream until the harness closes it.</summary>
    public Task StateAsync(IMessageStream<StateRequest, StateResponse> stream, CancellationToken cancellationToken) => ServeAsync("state", async () =>
    {
        await foreach (var request in stream.ReadAllAsync(cancellationToken))
        {
            var response = _bundles.TryGetValue(request.InstructionId, out var bundle)
                ? StateHandler.Handle(request, bundle.Bundle.SideInputs)
                : new StateResponse { Id = request.Id, Error = $"There is no bundle '{request.InstructionId}'." };
            await stream.WriteAsync(response, cancellationToken);
        }
    });

    /// <summary>Hands elements to the bundles that wrote them; what a bundle writes after its end is dropped.</summary>
    public void Receive(Elements elements)
    {
        foreach (var data in elements.Data)
        {
            if (_bundles.TryGetValue(data.InstructionId, out var bundle)) bundle.Receive(data);
        }
    }

    private async Task WriteAsync<TRead, TWrite>(IMessageStream<TRead, TWrite> stream, TWrite message, CancellationToken cancellationToken)
    {
        try
        {
            await stream.WriteAsync(message, cancellationToken);
        }
        catch (Exception e) when (!(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            Fail($"The connection to {Id} broke.", e);
            throw await _lost.Task;
        }
    }

    /// <summary>A worker without one of its streams is of no use: bundles would wait for what cannot come, or fail for what is not their fault.</summary>
    private async Task ServeAsync(string stream, Func<Task> serve)
    {
        try
        {
            await serve();
            Fail(_completed.Task.IsCompleted ? $"{Id} was told to end." : $"{Id} has closed its {stream} stream.");
        }
        catch (Exception e)
        {
            Fail(_completed.Task.IsCompleted ? $"{Id} was told to end." : $"The {stream} stream of {Id} broke.", e);
            throw;
        }
    }

    private static TaskCompletionSource<T> New<T>() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
