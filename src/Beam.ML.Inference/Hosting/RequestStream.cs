using System.Threading.Channels;
using Beam.ML.Inference.Protocol;
using Grpc.Core;

namespace Beam.ML.Inference.Hosting;

/// <summary>The requests of one worker: each runs by itself, can be cancelled, and is answered once. They end with the stream.</summary>
internal sealed class RequestStream : IAsyncDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<ulong, CancellationTokenSource> running = [];
    private readonly Channel<PredictResponse> outbox;
    private readonly CancellationTokenSource end;
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    // A request counts until its answer is on its way, when the worker may have sent the next already: hence twice the limit.
    private readonly SemaphoreSlim places;
    private readonly Task writer;
    private int active;
    private bool closed;

    public RequestStream(IServerStreamWriter<PredictResponse> responses, int limit, CancellationToken cancellationToken)
    {
        places = new SemaphoreSlim(2 * limit);
        end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        outbox = Channel.CreateBounded<PredictResponse>(new BoundedChannelOptions(limit) { SingleReader = true });
        writer = WriteAsync(responses);
    }

    /// <summary>Cancelled when answers reach nobody any more.</summary>
    public CancellationToken Lost => end.Token;

    /// <summary>Runs a request and sends its answer, without waiting for it. A worker that has more requests in flight than it may waits for its place.</summary>
    /// <exception cref="RpcException">The worker used an id twice.</exception>
    public async Task StartAsync(ulong id, Func<CancellationToken, Task<PredictResponse>> answer)
    {
        await places.WaitAsync(end.Token);
        var cancellation = CancellationTokenSource.CreateLinkedTokenSource(end.Token);
        lock (gate)
        {
            if (!running.TryAdd(id, cancellation))
                throw new RpcException(new Status(StatusCode.InvalidArgument, $"Request {id} is in flight already."));
            active++;
        }

        // Owned by this stream: DisposeAsync waits until none is active.
        _ = RunAsync(id, answer, cancellation);
    }

    /// <summary>Aborts a request; one that was answered meanwhile is not there any more.</summary>
    public async Task CancelAsync(ulong id)
    {
        CancellationTokenSource? cancellation;
        lock (gate) running.TryGetValue(id, out cancellation);
        try
        {
            if (cancellation is not null) await cancellation.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It was answered at this very moment.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        lock (gate)
        {
            closed = true;
            if (active == 0) drained.TrySetResult();
        }

        await drained.Task;
        outbox.Writer.TryComplete();
        await writer;
        end.Dispose();
        places.Dispose();
    }

    private async Task RunAsync(ulong id, Func<CancellationToken, Task<PredictResponse>> answer, CancellationTokenSource cancellation)
    {
        // The reader of the stream goes on with the next request at once.
        await Task.Yield();
        try
        {
            PredictResponse response;
            try
            {
                response = await answer(cancellation.Token);
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested)
            {
                // Whatever happens, whoever asked gets an answer.
                response = new PredictResponse { Error = Errors.ToProto(e, retryable: false) };
            }

            response.RequestId = id;
            lock (gate) running.Remove(id);
            await outbox.Writer.WriteAsync(response, end.Token);
        }
        catch (Exception) when (cancellation.IsCancellationRequested)
        {
            // Aborted: nobody waits for an answer.
        }
        finally
        {
            places.Release();
            lock (gate)
            {
                running.Remove(id);
                active--;
                if (closed && active == 0) drained.TrySetResult();
            }

            cancellation.Dispose();
        }
    }

    private async Task WriteAsync(IServerStreamWriter<PredictResponse> responses)
    {
        try
        {
            await foreach (var response in outbox.Reader.ReadAllAsync(end.Token)) await responses.WriteAsync(response, end.Token);
        }
        catch (Exception)
        {
            // The worker is gone: whatever it asked for is aborted.
            await end.CancelAsync();
        }
    }
}
