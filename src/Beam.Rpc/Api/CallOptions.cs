namespace Grpc.Core;

[Flags]
internal enum WriteFlags
{
    /// <summary>The message may wait for the next one before it is flushed to the connection.</summary>
    BufferHint = 1,

    /// <summary>The message is sent as it is on a call that compresses.</summary>
    NoCompress = 2,
}

internal sealed class WriteOptions(WriteFlags flags = default)
{
    public static readonly WriteOptions Default = new();
    public WriteFlags Flags { get; } = flags;
}

/// <summary>What a caller may set for one call.</summary>
internal readonly struct CallOptions(
    Metadata? headers = null, DateTime? deadline = null, CancellationToken cancellationToken = default, WriteOptions? writeOptions = null)
{
    public Metadata? Headers { get; private init; } = headers;

    /// <summary>The moment, in UTC, after which the call fails with <see cref="StatusCode.DeadlineExceeded"/>.</summary>
    public DateTime? Deadline { get; private init; } = deadline;

    public CancellationToken CancellationToken { get; private init; } = cancellationToken;
    public WriteOptions? WriteOptions { get; private init; } = writeOptions;

    public CallOptions WithHeaders(Metadata headers) => this with { Headers = headers };
    public CallOptions WithDeadline(DateTime deadline) => this with { Deadline = deadline };
    public CallOptions WithCancellationToken(CancellationToken cancellationToken) => this with { CancellationToken = cancellationToken };
    public CallOptions WithWriteOptions(WriteOptions writeOptions) => this with { WriteOptions = writeOptions };
}
