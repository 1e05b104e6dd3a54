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
    private long answered;

    /// <summary>Completes when the model is of no use any more.</summary>
    public Task Broken => broken.Task;

    public override Task<HeartbeatResponse> Heartbeat(HeartbeatRequest request, ServerCallContext context)
    {
        CheckCall(context);
        var response = new HeartbeatResponse { RequestsInFlight = Volatile.Read(ref inFlight), Answered = Volatile.Read(ref answered) };
        if (loader.Model?.Progress is { } progress) response.Progress = progress;
        return Task.FromResult(response);
    }

    public override Task<GetStatusResponse> GetStatus(GetStatusRequest request, ServerCallContext context)
    {
        CheckCall(context);
        var status = loader.Status;
        status.RequestsInFlight = Volatile.Read(ref inFlight);
        return Task.FromResult(status);
    }

    public override async Task Predict(
        IAsyncStreamReader<PredictRequest> requestStream, IServerStreamWriter<PredictResponse> responseStream, ServerCallContext context)
    {
        CheckCall(context);
        var model = loader.Model ?? throw new RpcException(new Status(StatusCode.Unavailable, "The model is not loaded yet."));
        await using var requests = new RequestStream(responseStream, maxRequestsPerWorker, context.CancellationToken);
        while (await requestStream.MoveNext(requests.Lost))
        {
            var request = requestStream.Current;
            switch (request.BodyCase)
            {
                case PredictRequest.BodyOneofCase.Batch:
                    await requests.StartAsync(request.RequestId, token => AnswerAsync(model, request.Batch, token));
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
                var outcomes = await model.PredictAsync(batch.Examples, batch.InferenceArgs, cancellationToken);
                response.Predictions = new Predictions();
                foreach (var outcome in outcomes)
                {
                    response.Predictions.Values.Add(outcome.Error is { } error
                        ? new Prediction { Error = Errors.ToProto(error, retryable: false) }
                        : new Prediction { Value = outcome.Value });
                }
            }
            finally
            {
                slots.Release();
            }
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            response.Predictions = null;
            response.Error = Errors.ToProto(e, retryable: IsBroken(model, e));
        }
        finally
        {
            response.Stats.RequestsInFlight = Interlocked.Decrement(ref inFlight);
            Interlocked.Increment(ref answered);
        }

        response.Stats.LatencyMicros = Micros(arrived);
        return response;
    }

    /// <summary>Whether the model is of no use any more, which ends this host. A handler that fails to say so has not said so.</summary>
    private bool IsBroken(HostedModel model, Exception exception)
    {
        try
        {
            if (!model.IsBroken(exception)) return false;
        }
        catch (Exception)
        {
            return false;
        }

        broken.TrySetResult();
        return true;
    }

    private void CheckCall(ServerCallContext context)
    {
        if (broken.Task.IsCompleted) throw new RpcException(new Status(StatusCode.Unavailable, "The model is broken."));
        if (context.RequestHeaders.GetValue(HostChannel.GenerationKey) != generationText)
            throw new RpcException(new Status(StatusCode.FailedPrecondition, $"This is generation {generationText} of the model's host, not the one that was meant."));
    }

    private static long Micros(long since) => (long)System.Diagnostics.Stopwatch.GetElapsedTime(since).TotalMicroseconds;
}
