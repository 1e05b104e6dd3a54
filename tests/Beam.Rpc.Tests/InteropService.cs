using Beam.Rpc.Tests.Protos;
using Google.Protobuf;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>The test service on our server; interop/peer.js is the same service on grpc-js.</summary>
internal sealed class InteropService : Interop.InteropBase
{
    private int _running;

    public int Running => Volatile.Read(ref _running);

    /// <summary>Completes when a call that hangs, or a chat, was cancelled.</summary>
    public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override async Task<Reply> Unary(Ask request, ServerCallContext context)
    {
        await EchoMetadataAsync(context);
        await ObeyAsync(request, context);
        return ReplyTo(request, 0);
    }

    public override async Task<Reply> Collect(IAsyncStreamReader<Ask> requestStream, ServerCallContext context)
    {
        long total = 0;
        int count = 0;
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            await ObeyAsync(requestStream.Current, context);
            total += requestStream.Current.Payload.Length;
            count++;
        }
        return new Reply { Total = total, Index = count };
    }

    public override async Task Expand(Ask request, IServerStreamWriter<Reply> responseStream, ServerCallContext context)
    {
        await EchoMetadataAsync(context);
        for (int i = 0; i < request.Count; i++) await responseStream.WriteAsync(ReplyTo(request, i));
        await ObeyAsync(request, context);
    }

    public override async Task Chat(IAsyncStreamReader<Ask> requestStream, IServerStreamWriter<Reply> responseStream, ServerCallContext context)
    {
        Interlocked.Increment(ref _running);
        try
        {
            int i = 0;
            await foreach (var ask in requestStream.ReadAllAsync(context.CancellationToken))
            {
                await ObeyAsync(ask, context);
                await responseStream.WriteAsync(ReplyTo(ask, i++));
            }
        }
        catch (OperationCanceledException)
        {
            Cancelled.TrySetResult();
            throw;
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    /// <summary>Sends request metadata named x-* back: as response headers, and with "-trailer" before "-bin" or at the end as trailers.</summary>
    private static async Task EchoMetadataAsync(ServerCallContext context)
    {
        var headers = new Metadata();
        foreach (var entry in context.RequestHeaders.Where(e => e.Key.StartsWith("x-", StringComparison.Ordinal)))
        {
            headers.Add(entry);
            if (entry.IsBinary) context.ResponseTrailers.Add(entry.Key.Replace("-bin", "-trailer-bin", StringComparison.Ordinal), entry.ValueBytes);
            else context.ResponseTrailers.Add(entry.Key + "-trailer", entry.Value);
        }
        if (headers.Count > 0) await context.WriteResponseHeadersAsync(headers);
    }

    private async Task ObeyAsync(Ask request, ServerCallContext context)
    {
        if (request.Hang)
        {
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken);
            }
            finally
            {
                Cancelled.TrySetResult();
            }
        }
        if (request.FailCode != 0) throw new RpcException(new Status((StatusCode)request.FailCode, request.FailMessage));
    }

    private static Reply ReplyTo(Ask request, int index) => new()
    {
        Text = request.Text,
        Total = request.Payload.Length,
        Index = index,
        Payload = request.ReplySize > 0 ? UnsafeByteOperations.UnsafeWrap(new byte[request.ReplySize]) : ByteString.Empty,
    };
}
