using Beam.Coders;
using Beam.ML.Inference.Hosting;
using Beam.ML.Inference.Protocol;
using Beam.ML.Inference.Sharing;
using Google.Protobuf;

namespace Beam.ML.Inference.Clients;

/// <summary>Calls a model that a process of its own hosts.</summary>
internal sealed class SharedModelClient<TExample, TPrediction, TModel>(
    ModelHandler<TExample, TPrediction, TModel> handler, Coder<TExample> exampleCoder, Coder<TPrediction> predictionCoder, SharedModel model)
    : ModelClient<TExample, TPrediction, TModel>(handler, exampleCoder)
{
    protected override async Task<(Outcome<TPrediction>[] Outcomes, long? Bytes)> CallAsync(
        IReadOnlyList<TExample> batch, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken)
    {
        var request = new Batch { InferenceArgs = args.ToJson() };
        var bytes = 0L;
        foreach (var example in batch)
        {
            var encoded = ExampleCoder.ToBytes(example);
            bytes += encoded.Length;
            request.Examples.Add(UnsafeByteOperations.UnsafeWrap(encoded));
        }

        var (response, host) = await model.PredictAsync(request, cancellationToken);
        if (response.Error is { } error) throw Errors.ToException(error);
        metrics.EngineHosts.Add($"pid {host.ProcessId} (owner {host.OwnerWorker}, generation {host.Generation})");
        if (response.Stats is { } stats) metrics.QueueTime.Update(stats.QueueMicros);
        if (response.Predictions.Values.Count != batch.Count)
            throw new InvalidDataException($"The host of {Handler.DisplayName} gave {response.Predictions.Values.Count} predictions for {batch.Count} examples.");
        return ([.. response.Predictions.Values.Select(OutcomeOf)], bytes);
    }

    private Outcome<TPrediction> OutcomeOf(Prediction prediction) => prediction.ResultCase == Prediction.ResultOneofCase.Error
        ? Outcome<TPrediction>.Failed(Errors.ToException(prediction.Error))
        : Outcome<TPrediction>.Of(predictionCoder.FromBytes(prediction.Value.Span));

    public override void Report(InferenceMetrics metrics)
    {
        while (model.TryTakeLoad(out var load)) metrics.Loaded(load.Millis, load.ModelBytes);
    }
}
