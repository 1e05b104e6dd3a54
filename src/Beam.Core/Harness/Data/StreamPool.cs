namespace Beam.Harness;

/// <summary>One stream for each endpoint, opened once however many ask for it at a time.</summary>
internal sealed class StreamPool<TStream> : IAsyncDisposable where TStream : class, IAsyncDisposable
{
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, TStream> _streams = new();

    public ValueTask<TStream> GetAsync(string url, Func<CancellationToken, Task<TStream>> open, CancellationToken cancellationToken) =>
        _streams.TryGetValue(url, out var stream) ? new(stream) : new(OpenAsync(url, open, cancellationToken));

    private async Task<TStream> OpenAsync(string url, Func<CancellationToken, Task<TStream>> open, CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken);
        try
        {
            if (!_streams.TryGetValue(url, out var stream)) _streams[url] = stream = await open(cancellationToken);
            return stream;
        }
        finally
        {
            _opening.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var stream in _streams.Values) await stream.DisposeAsync();
        _streams.Clear();
        _opening.Dispose();
    }
}
