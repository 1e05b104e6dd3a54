namespace Beam.FnApi;

/// <summary>
/// One end of a bidirectional stream of messages. Writing is back-pressured by the other end; reading ends with the other end's error
/// if it failed.
/// </summary>
internal interface IMessageStream<TRead, TWrite> : IAsyncDisposable
{
    /// <summary>Everything that the other end writes, until it completes. For one consumer.</summary>
    IAsyncEnumerable<TRead> ReadAllAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Writes one message; safe for concurrent callers. Messages must not be changed afterwards. Cancellation lets the caller go, never the
    /// stream that others share: a message whose writing has begun is written to its end.
    /// </summary>
    /// <exception cref="IOException">The stream is closed or broken.</exception>
    ValueTask WriteAsync(TWrite message, CancellationToken cancellationToken = default);

    /// <summary>Writes no more: the other end reads to the end, or gets <paramref name="error"/> after the last message.</summary>
    ValueTask CompleteAsync(Exception? error = null);
}
