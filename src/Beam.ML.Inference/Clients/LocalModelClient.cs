using Beam.Coders;

namespace Beam.ML.Inference.Clients;

/// <summary>A model that this worker process loaded for itself, once for all functions that ask.</summary>
internal sealed class LocalModel<TModel>(
    Func<CancellationToken, Task<TModel>> load, IReadOnlyDictionary<string, string> environment, string name) : IAsyncDisposable
{
    private readonly CancellationTokenSource end = new();
    private readonly Lock gate = new();
    private Task<TModel>? loading;
    private long loadMillis;
    private long modelBytes;
    private int reported;

    /// <summary>The model; loaded at the first call, for which every later one waits.</summary>
    /// <exception cref="ModelLoadException">It cannot be loaded.</exception>
    public Task<TModel> GetAsync(CancellationToken cancellationToken)
    {
        lock (gate) loading ??= Task.Run(LoadAsync);
        return loading.WaitAsync(cancellationToken);
    }

    /// <summary>What loading cost, to the first who asks.</summary>
    public bool TryTakeLoad(out long millis, out long bytes)
    {
        (millis, bytes) = (Volatile.Read(ref loadMillis), Volatile.Read(ref modelBytes));
        return loading is { IsCompletedSuccessfully: true } && Interlocked.Exchange(ref reported, 1) == 0;
    }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        Task<TModel>? started;
        lock (gate) started = loading;
        try
        {
            if (started is not null)
            {
                switch (await started)
                {
                    case IAsyncDisposable model: await model.DisposeAsync(); break;
                    case IDisposable model: model.Dispose(); break;
                }
            }
        }
        catch (Exception e) when (e is ModelLoadException or OperationCanceledException)
        {
            // There is nothing to dispose.
        }

        end.Dispose();
    }

    private async Task<TModel> LoadAsync()
    {
        foreach (var (variable, value) in environment) Environment.SetEnvironmentVariable(variable, value);
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        var before = Environment.WorkingSet;
        try
        {
            var model = await load(end.Token);
            Volatile.Write(ref loadMillis, (long)System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            Volatile.Write(ref modelBytes, Math.Max(0, Environment.WorkingSet - before));
            return model;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new ModelLoadException($"{name} cannot load its model: {e.Message}", e);
        }
    }
}

/// <summary>Calls a model of this process.</summary>
internal sealed class LocalModelClient<TExample, TPrediction, TModel>(
    ModelHandler<TExample, TPrediction, TModel> handler, Coder<TExample> exampleCoder, LocalModel<TModel> local, string workerId)
    : ModelClient<TExample, TPrediction, TModel>(handler, exampleCoder)
{
    private readonly string host = $"pid {Environment.ProcessId} ({workerId} itself)";

    protected override async Task<(Outcome<TPrediction>[] Outcomes, long? Bytes)> CallAsync(
        IReadOnlyList<TExample> batch, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken)
    {
        var model = await local.GetAsync(cancellationToken);
        var outcomes = await Handler.PredictAsync(batch, model, args, cancellationToken);
        metrics.EngineHosts.Add(host);
        return (outcomes, null);
    }

    public override void Report(InferenceMetrics metrics)
    {
        if (local.TryTakeLoad(out var millis, out var bytes)) metrics.Loaded(millis, bytes);
    }
}
