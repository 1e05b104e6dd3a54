using System.Net;
using Beam.Rpc.Protocol;

namespace Beam.Rpc.Client;

/// <summary>Writes messages of one call to a request stream.</summary>
internal interface IRequestWriter<in TRequest>
{
    Task WriteToAsync(Stream stream, TRequest message, CancellationToken cancellationToken);
}

/// <summary>A request of one message. The handler may ask for it again when it repeats the request on another connection.</summary>
internal sealed class MessageContent<TRequest> : HttpContent
{
    private readonly TRequest _message;
    private readonly IRequestWriter<TRequest> _writer;

    public MessageContent(TRequest message, IRequestWriter<TRequest> writer)
    {
        (_message, _writer) = (message, writer);
        Headers.TryAddWithoutValidation("Content-Type", GrpcNames.ContentType);
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        _writer.WriteToAsync(stream, _message, cancellationToken);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
