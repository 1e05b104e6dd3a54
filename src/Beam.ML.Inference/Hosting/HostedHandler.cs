using Beam.Coders;
using Beam.ML.Inference.Clients;
using Google.Protobuf;

namespace Beam.ML.Inference.Hosting;

/// <summary>A handler on its way to the process that hosts its model: what examples and predictions look like on the wire goes with it.</summary>
internal abstract class HostedHandler
{
    /// <summary>Loads the model.</summary>
    public abstract Task<HostedModel> LoadAsync(ModelLoadContext context, CancellationToken cancellationToken);
}

/// <summary>A loaded model that takes and gives bytes.</summary>
internal abstract class HostedModel : IAsyncDisposable
{
    /// <summary>The outcome of each example, in order.</summary>
    public abstract Task<Outcome<ByteString>[]> PredictAsync(IReadOnlyList<ByteString> examples, string inferenceArgs, CancellationToken cancellationToken);

    /// <summary>Whether an exception means that the model is of no use any more.</summary>
    public abstract bool IsBroken(Exception exception);

    /// <summary>A number that grows while the model works; null if it cannot tell.</summary>
    public abstract long? Progress { get; }

    public abstract ValueTask DisposeAsync();
}

/// <inheritdoc cref="HostedHandler"/>
internal sealed class HostedHandler<TExample, TPrediction, TModel>(
    ModelHandler<TExample, TPrediction, TModel> handler, Coder<TExample> exampleCoder, Coder<TPrediction> predictionCoder) : HostedHandler
{
    private readonly ModelHandler<TExample, TPrediction, TModel> handler = handler;
    private readonly Coder<TExample> exampleCoder = exampleCoder;
    private readonly Coder<TPrediction> predictionCoder = predictionCoder;

    public override async Task<HostedModel> LoadAsync(ModelLoadContext context, CancellationToken cancellationToken) =>
        new Model(this, await handler.LoadModelAsync(context, cancellationToken));

    private sealed class Model(HostedHandler<TExample, TPrediction, TModel> hosted, TModel model) : HostedModel
    {
        // All requests of a job usually have the same arguments.
        private volatile Tuple<string, InferenceArgs>? lastArgs;

        public override long? Progress => hosted.handler.GetProgress(model);

        public override async Task<Outcome<ByteString>[]> PredictAsync(
            IReadOnlyList<ByteString> examples, string inferenceArgs, CancellationToken cancellationToken)
        {
            var batch = new TExample[examples.Count];
            for (var i = 0; i < batch.Length; i++) batch[i] = hosted.exampleCoder.FromBytes(examples[i].Span);
            var outcomes = await hosted.handler.PredictAsync(batch, model, ArgsOf(inferenceArgs), cancellationToken);
            return Array.ConvertAll(outcomes, outcome => outcome.Then(prediction => UnsafeByteOperations.UnsafeWrap(hosted.predictionCoder.ToBytes(prediction))));
        }

        public override bool IsBroken(Exception exception) => hosted.handler.IsModelBroken(exception);

        public override async ValueTask DisposeAsync()
        {
            if (model is IAsyncDisposable asynchronous) await asynchronous.DisposeAsync();
            else (model as IDisposable)?.Dispose();
        }

        private InferenceArgs ArgsOf(string json)
        {
            var last = lastArgs;
            if (last?.Item1 != json) lastArgs = last = Tuple.Create(json, InferenceArgs.FromJson(json));
            return last.Item2;
        }
    }
}
