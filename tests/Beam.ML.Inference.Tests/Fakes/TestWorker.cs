using System.Collections.Concurrent;
using Beam.Coders;
using Beam.ML.Inference.Clients;

namespace Beam.ML.Inference.Tests;

/// <summary>What a function sees of a worker, in a folder of its own.</summary>
internal sealed class TestWorker(string workDirectory, string workerId, PipelineOptions? options = null) : SetupContext, IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Lazy<object>> shared = new();

    public override PipelineOptions Options { get; } = options ?? new PipelineOptions();

    public override string WorkerId => workerId;

    public override string WorkDirectory => workDirectory;

    public override T GetShared<T>(string key, Func<T> create) => (T)shared.GetOrAdd(key, _ => new Lazy<object>(() => create())).Value;

    /// <summary>The client that a function of this worker would have.</summary>
    public Task<InferenceClient<TExample, TPrediction>> ConnectAsync<TExample, TPrediction>(
        InferenceHandler<TExample, TPrediction> handler, CancellationToken cancellationToken = default) =>
        handler.Bind(new CoderRegistry(), "Test").ConnectAsync(this, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        foreach (var value in shared.Values)
            if (value.Value is IAsyncDisposable disposable) await disposable.DisposeAsync();
    }
}

/// <summary>A temporary folder, deleted with all that is in it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("beam-inference-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
