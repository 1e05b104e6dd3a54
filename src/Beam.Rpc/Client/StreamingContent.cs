using System.Net;
using Beam.Rpc.Protocol;

namespace Beam.Rpc.Client;

/// <summary>A request of many messages: lends the request stream to the call's writer until the call half-closes or ends.</summary>
internal sealed class StreamingContent : HttpContent
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Stream? _stream;
    private volatile bool _written;

    public StreamingContent() => Headers.TryAddWithoutValidation("Content-Type", GrpcNames.ContentType);

    /// <summary>The request stream, once the connection has one.</summary>
    public async ValueTask<Stream> GetStreamAsync(CancellationToken cancellationToken)
    {
        if (!_ready.Task.IsCompletedSuccessfully) await _ready.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        _written = true;
        return _stream!;
    }

    /// <summary>Half-closes the request.</summary>
    public void Complete() => _done.TrySetResult();

    /// <summary>Stops lending the stream because the call has ended.</summary>
    public void Abort()
    {
        _ready.TrySetCanceled();
        _done.TrySetCanceled();
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The handler repeats a request that a closing connection did not take; messages already written would be lost.
        if (_written) throw new IOException("The connection closed after messages of the request stream were written.");
        // The server sees the call now, not with its first message.
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        _stream = stream;
        _ready.TrySetResult();
        await _done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
