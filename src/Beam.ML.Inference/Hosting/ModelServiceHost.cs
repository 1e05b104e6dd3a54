using System.Globalization;
using Beam.ML.Inference.Protocol;
using Beam.ML.Inference.Sharing;
using Grpc.Core;

namespace Beam.ML.Inference.Hosting;

/// <summary>The host's service: a stream of requests for each worker, all of them on one model.</summary>
/// <param name="loader">The model.</param>
/// <param name="generation">This host's fencing token.</param>
/// <param name="maxRequests">How many requests the model gets at a time.</param>
/// <param name="maxRequestsPerWorker">How many requests may be in flight on one stream; a worker that sends more breaks the contract.</param>
internal sealed class ModelServiceHost(ModelLoader loader, long generation, int maxRequests, int maxRequestsPerWorker) : ModelService.ModelServiceBase
{
    private readonly SemaphoreSlim slots = new(maxRequests);
    private readonly TaskCompletionSource broken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string generationText = generation.ToString(CultureInfo.InvariantCulture);
    private int inFlight;

    /// <summary>Completes when the model is of no use any more.</summary>
    public Task Broken => broken.Task;

    public override Task<HeartbeatResponse> Heartbeat(HeartbeatRequest request, ServerCallContext context)
    {
        CheckGeneration(context);
        return Task.FromResult(new HeartbeatResponse { RequestsInFlight = Volatile.Read(ref inFlight) });
    }

    public override Task<GetStatusResponse> GetStatus(GetStatusRequest request, ServerCallContext context)
    {
        CheckGeneration(context);
        var status = loader.Status;
        status.RequestsInFlight = Volatile.Read(ref inFlight);
        return Task.FromResult(status);
    }

    public override async Task Predict(
        IAsyncStreamReader<PredictRequest> requestStream, IServerStreamWriter<PredictResponse> responseStream, ServerCallContext context)
    {
        CheckGeneration(context);
        var model = loader.Model ?? throw new RpcException(new Status(StatusCode.Unavailable, "The model is not loaded yet."));
        await using var requests = new RequestStream(responseStream, maxRequestsPerWorker, context.CancellationToken);
        while (await requestStream.MoveNext(requests.Lost))
        {
            var request = requestStream.Current;
            switch (request.BodyCase)
            {
                case PredictRequest.BodyOneofCase.Batch:
                    requests.Start(request.RequestId, token => AnswerAsync(model, request.Batch, token));
                    break;
                case PredictRequest.BodyOneofCase.Cancel:
                    await requests.CancelAsync(request.RequestId);
                    break;
                default:
                    throw new RpcException(new Status(StatusCode.InvalidArgument, "A request is neither a batch nor a cancellation."));
            }
        }
    }

    /// <summary>The answer to one batch: predictions, or the error of this batch alone.</summary>
    private async Task<PredictResponse> AnswerAsync(HostedModel model, Batch batch, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref inFlight);
        var arrived = System.Diagnostics.Stopwatch.GetTimestamp();
        var response = new PredictResponse { Stats = new RequestStats() };
        try
        {
            await slots.WaitAsync(cancellationToken);
            try
            {
                response.Stats.QueueMicros = Micros(arrived);
                var predictions = new Predictions();
                predictions.Values.AddRange(await model.PredictAsync(batch.Examples, batch.InferenceArgs, cancellationToken));
                response.Predictions = predictions;
            }
            finally
            {
                slots.Release();
            }
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            var isBroken = model.IsBroken(e);
            if (isBroken) broken.TrySetResult();
            response.Error = Errors.ToProto(e, retryable: isBroken);
        }
        finally
        {
            response.Stats.RequestsInFlight = Interlocked.Decrement(ref inFlight);
        }

        response.Stats.LatencyMicros = Micros(arrived);
        return response;
    }

    private void CheckGeneration(ServerCallContext context)
    {
        if (context.RequestHeaders.GetValue(HostChannel.GenerationKey) != generationText)
            throw new RpcException(new Status(StatusCode.FailedPrecondition, $"This is generation {generationText} of the model's host, not the one that was meant."));
    }

    private static long Micros(long since) => (long)System.Diagnostics.Stopwatch.GetElapsedTime(since).TotalMicroseconds;
}
