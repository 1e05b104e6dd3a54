using System.Collections.Concurrent;
using System.Threading.Channels;
using Beam.ML.Inference.Protocol;
using Grpc.Core;

namespace Beam.ML.Inference.Sharing;

/// <summary>
/// This worker's stream of requests to one host. It lives until the host is lost; then every request that is in flight fails with
/// <see cref="HostLostException"/>, and whoever made it decides.
/// </summary>
internal sealed class HostConnection : IAsyncDisposable
{
    private const int OutboxCapacity = 64;

    private readonly HostChannel channel;
    private readonly ModelSharing sharing;
    private readonly ConcurrentDictionary<ulong, TaskCompletionSource<PredictResponse>> inFlight = new();
    private readonly Channel<PredictRequest> outbox = Channel.CreateBounded<PredictRequest>(new BoundedChannelOptions(OutboxCapacity) { SingleReader = true });
    private readonly CancellationTokenSource end = new();
    private ulong lastId;
    private int load;
    private volatile HostLostException? loss;

    private HostConnection(HostChannel channel, ModelSharing sharing)
    {
        (this.channel, this.sharing) = (channel, sharing);
        Closed = RunAsync();
    }

    public HostRecord Record => channel.Record;

    /// <summary>Completes when the connection is of no use any more and nothing of it runs.</summary>
    public Task Closed { get; }

    public bool IsAlive => loss is null;

    /// <summary>Whether the host itself said that it is of no use any more.</summary>
    public bool IsAbandoned { get; private set; }

    /// <summary>How busy the host is: what it last said of all workers' requests, or what this worker alone has sent, if that is more.</summary>
    public int Load => Math.Max(Volatile.Read(ref load), inFlight.Count);

    /// <summary>Connects, and proves by a heartbeat that the host is the one of the record.</summary>
    /// <exception cref="HostLostException">It is not there.</exception>
    public static async Task<HostConnection> OpenAsync(HostRecord record, ModelSharing sharing, CancellationToken cancellationToken)
    {
        var channel = HostChannel.To(record);
        try
        {
            await channel.BeatAsync(sharing.HeartbeatTimeout, cancellationToken);
            return new HostConnection(channel, sharing);
        }
        catch
        {
            await channel.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends a batch and waits for the answer. A cancelled request is aborted at the host.</summary>
    /// <exception cref="HostLostException">The host was lost before it answered.</exception>
    public async Task<PredictResponse> PredictAsync(Batch batch, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref lastId);
        var answer = new TaskCompletionSource<PredictResponse>(TaskCreationOptions.RunContinuationsAsynchronously);
        inFlight[id] = answer;
        try
        {
            if (loss is { } lost) throw new HostLostException(lost.Message, lost);
            await outbox.Writer.WriteAsync(new PredictRequest { RequestId = id, Batch = batch }, cancellationToken);
            return await answer.Task.WaitAsync(cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw new HostLostException(loss?.Message ?? $"The model {Record} is gone.", loss);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await AbortAsync(id);
            throw;
        }
        finally
        {
            inFlight.TryRemove(id, out _);
        }
    }

    /// <summary>Gives a host up that still answers: its model is broken, and every request would come back.</summary>
    public void Abandon(string reason)
    {
        IsAbandoned = true;
        Lose(new HostLostException(reason));
    }

    public async ValueTask DisposeAsync()
    {
        Lose(new HostLostException("The connection was closed."));
        await Closed;
        end.Dispose();
    }

    private async Task AbortAsync(ulong id)
    {
        try
        {
            await outbox.Writer.WriteAsync(new PredictRequest { RequestId = id, Cancel = new Cancel() }, end.Token);
        }
        catch (Exception e) when (e is ChannelClosedException or OperationCanceledException or ObjectDisposedException)
        {
            // The stream is gone, and with it the request.
        }
    }

    private async Task RunAsync()
    {
        // The constructor must have returned before anything is lost.
        await Task.Yield();
        try
        {
            using var call = channel.Client.Predict(cancellationToken: end.Token);
            await Task.WhenAll(
                UntilLostAsync(() => ReadAsync(call.ResponseStream)),
                UntilLostAsync(() => WriteAsync(call.RequestStream)),
                UntilLostAsync(() => channel.HeartbeatAsync(sharing, beat => Volatile.Write(ref load, beat.RequestsInFlight), end.Token)));
        }
        finally
        {
            Lose(new HostLostException($"The model {Record} is gone."));
            await channel.DisposeAsync();
        }
    }

    /// <summary>Whichever of the loops ends first, and however, ends the others.</summary>
    private async Task UntilLostAsync(Func<Task> loop)
    {
        try
        {
            await loop();
            Lose(new HostLostException($"The model {Record} closed the stream."));
        }
        catch (RpcException e)
        {
            Lose(channel.Lost(e));
        }
        catch (HostLostException e)
        {
            Lose(e);
        }
        catch (Exception e)
        {
            Lose(new HostLostException($"The connection to the model {Record} broke: {e.Message}", e));
        }
    }

    private async Task ReadAsync(IAsyncStreamReader<PredictResponse> responses)
    {
        while (await responses.MoveNext(end.Token))
        {
            var response = responses.Current;
            if (response.Stats is { } stats) Volatile.Write(ref load, stats.RequestsInFlight);
            // An answer to a request that was cancelled meanwhile finds nobody.
            if (inFlight.TryRemove(response.RequestId, out var waiting)) waiting.TrySetResult(response);
        }
    }

    private async Task WriteAsync(IClientStreamWriter<PredictRequest> requests)
    {
        await foreach (var request in outbox.Reader.ReadAllAsync(end.Token)) await requests.WriteAsync(request, end.Token);
    }

    private void Lose(HostLostException reason)
    {
        if (Interlocked.CompareExchange(ref loss, reason, null) is not null) return;
        outbox.Writer.TryComplete();
        foreach (var (_, waiting) in inFlight) waiting.TrySetException(new HostLostException(reason.Message, reason));
        end.Cancel();
    }
}
