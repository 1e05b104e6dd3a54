using Beam.Rpc.Protocol;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Beam.Rpc.Server;

/// <summary>Serves the calls of one method: whatever its handler does, the call ends with a status.</summary>
internal abstract partial class ServerMethod(RpcServerOptions options, ILogger logger)
{
    public async Task InvokeAsync(HttpContext http)
    {
        var call = new HttpServerCallContext(http, options);
        try
        {
            call.Begin();
            await HandleAsync(call).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            call.Fail(StatusOf(e, call));
        }
        finally
        {
            call.End();
        }
    }

    protected abstract Task HandleAsync(HttpServerCallContext call);

    private Status StatusOf(Exception exception, HttpServerCallContext call)
    {
        if (call.IsDeadlineExceeded) return new Status(StatusCode.DeadlineExceeded, "The deadline passed before the call ended.");
        if (exception is RpcException rpc)
        {
            foreach (var trailer in rpc.Trailers) call.ResponseTrailers.Add(trailer);
            return rpc.Status;
        }
        if (call.CancellationToken.IsCancellationRequested || (exception is OperationCanceledException && call.PeerIsGone))
        {
            // A caller that cancelled or vanished never sees this; one that this server's end cuts off may.
            return new Status(StatusCode.Unavailable, "The server broke the call off.");
        }
        LogFailure(logger, exception, call.Method);
        // What a bug says is for the log, not for the peer.
        return new Status(StatusCode.Unknown, $"The server's method failed with {exception.GetType().Name}; its log has the details.");
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed.")]
    private static partial void LogFailure(ILogger logger, Exception exception, string method);
}

internal sealed class UnimplementedMethod(RpcServerOptions options, ILogger logger, string detail) : ServerMethod(options, logger)
{
    protected override Task HandleAsync(HttpServerCallContext call) => throw new RpcException(new Status(
        StatusCode.Unimplemented, string.Format(System.Globalization.CultureInfo.InvariantCulture, detail, call.Method)));
}

internal sealed class UnaryMethod<TRequest, TResponse>(
    RpcServerOptions options, ILogger logger, Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse> handler)
    : ServerMethod(options, logger) where TRequest : class where TResponse : class
{
    protected override async Task HandleAsync(HttpServerCallContext call)
    {
        var request = await call.ReadSingleAsync(method.RequestMarshaller).ConfigureAwait(false);
        var response = await handler(request, call).ConfigureAwait(false);
        await call.WriteSingleAsync(response, method.ResponseMarshaller).ConfigureAwait(false);
    }
}

internal sealed class ClientStreamingMethod<TRequest, TResponse>(
    RpcServerOptions options, ILogger logger, Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse> handler)
    : ServerMethod(options, logger) where TRequest : class where TResponse : class
{
    protected override async Task HandleAsync(HttpServerCallContext call)
    {
        var response = await handler(new RequestStream<TRequest>(call, method.RequestMarshaller), call).ConfigureAwait(false);
        await call.WriteSingleAsync(response, method.ResponseMarshaller).ConfigureAwait(false);
    }
}

internal sealed class ServerStreamingMethod<TRequest, TResponse>(
    RpcServerOptions options, ILogger logger, Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse> handler)
    : ServerMethod(options, logger) where TRequest : class where TResponse : class
{
    protected override async Task HandleAsync(HttpServerCallContext call)
    {
        var request = await call.ReadSingleAsync(method.RequestMarshaller).ConfigureAwait(false);
        await handler(request, new ResponseStream<TResponse>(call, method.ResponseMarshaller), call).ConfigureAwait(false);
    }
}

internal sealed class DuplexStreamingMethod<TRequest, TResponse>(
    RpcServerOptions options, ILogger logger, Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse> handler)
    : ServerMethod(options, logger) where TRequest : class where TResponse : class
{
    protected override Task HandleAsync(HttpServerCallContext call) =>
        handler(new RequestStream<TRequest>(call, method.RequestMarshaller), new ResponseStream<TResponse>(call, method.ResponseMarshaller), call);
}
