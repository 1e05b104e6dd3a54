using System.IO.Pipelines;
using Beam.Rpc.Protocol;
using Grpc.Core;

namespace Beam.Rpc.Client;

internal sealed partial class ClientCall<TRequest, TResponse> : IAsyncStreamReader<TResponse>
{
    private static readonly StreamPipeReaderOptions PipeOptions = new(bufferSize: 16 << 10, minimumReadSize: 4 << 10, leaveOpen: true);

    private MessageReader? _reader;
    private TResponse? _current;

    public TResponse Current => _current ?? throw new InvalidOperationException("There is no current message; call MoveNext first.");

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(
            static call => ((ClientCall<TRequest, TResponse>)call!).CancelByCaller(), this);
        return await MoveNextAsync().ConfigureAwait(false);
    }

    /// <summary>The only response of a call that has one.</summary>
    public async Task<TResponse> ReadSingleAsync()
    {
        if (!await MoveNextAsync().ConfigureAwait(false)) throw Fail(new Status(StatusCode.Internal, "The server ended the call with OK but without a response."));
        var response = Current;
        if (await MoveNextAsync().ConfigureAwait(false)) throw Fail(new Status(StatusCode.Internal, "The server sent more than the one response of this call."));
        return response;
    }

    private async ValueTask<bool> MoveNextAsync()
    {
        _current = null;
        if (!_response!.IsCompletedSuccessfully || _reader is null) await _response.ConfigureAwait(false);
        if (_reader is not { } reader) return EndOfStream();
        try
        {
            var next = await reader.ReadAsync(_method.ResponseMarshaller, _ended).ConfigureAwait(false);
            if (next.HasMessage)
            {
                _current = next.Message;
                return true;
            }
        }
        catch (Exception e)
        {
            await EndReadingAsync(reader).ConfigureAwait(false);
            throw Fail(ResponseStatus.OfException(e, _invoker.Target));
        }
        await EndReadingAsync(reader).ConfigureAwait(false);
        var trailers = (await _response.ConfigureAwait(false))!.TrailingHeaders;
        try
        {
            Finish(ResponseStatus.OfTrailers(trailers), HeaderMetadata.FromHeaders(trailers));
        }
        catch (RpcException e)
        {
            throw Fail(e.Status);
        }
        return EndOfStream();
    }

    private ValueTask EndReadingAsync(MessageReader reader)
    {
        _reader = null;
        return reader.CompleteAsync();
    }

    private bool EndOfStream()
    {
        lock (_gate)
        {
            return _status.StatusCode == StatusCode.OK ? false : throw new RpcException(_status, _trailers);
        }
    }

    private RpcException Fail(Status status)
    {
        Cancel(status);
        // A call that ended OK and then proves to lack its response still failed.
        lock (_gate) return _status.StatusCode == StatusCode.OK ? new RpcException(status) : new RpcException(_status, _trailers);
    }
}
