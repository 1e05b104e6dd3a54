using System.Runtime.CompilerServices;

namespace Grpc.Core;

/// <summary>The messages that the peer streams, one at a time.</summary>
internal interface IAsyncStreamReader<out T>
{
    T Current { get; }

    /// <summary>True when <see cref="Current"/> is a new message, false at the end of the stream.</summary>
    Task<bool> MoveNext(CancellationToken cancellationToken);
}

/// <summary>Messages streamed to the peer. A write completes when flow control let the message out; at most one runs at a time.</summary>
internal interface IAsyncStreamWriter<in T>
{
    WriteOptions? WriteOptions { get; set; }
    Task WriteAsync(T message) => WriteAsync(message, CancellationToken.None);
    Task WriteAsync(T message, CancellationToken cancellationToken);
}

internal interface IClientStreamWriter<in T> : IAsyncStreamWriter<T>
{
    /// <summary>Half-closes: the server sees the end of the request stream.</summary>
    Task CompleteAsync();
}

internal interface IServerStreamWriter<in T> : IAsyncStreamWriter<T>;

internal static class AsyncStreamReaderExtensions
{
    public static Task<bool> MoveNext<T>(this IAsyncStreamReader<T> reader) => reader.MoveNext(CancellationToken.None);

    public static async IAsyncEnumerable<T> ReadAllAsync<T>(
        this IAsyncStreamReader<T> reader, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await reader.MoveNext(cancellationToken).ConfigureAwait(false)) yield return reader.Current;
    }
}
