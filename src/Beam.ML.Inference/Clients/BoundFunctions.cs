namespace Beam.ML.Inference.Clients;

/// <summary>A function before a handler.</summary>
internal sealed class BoundPreprocess<TInput, TExample, TPrediction>(BoundHandler<TExample, TPrediction> inner, Func<TInput, TExample> preprocess)
    : BoundHandler<TInput, TPrediction>
{
    public override async Task<InferenceClient<TInput, TPrediction>> ConnectAsync(SetupContext context, CancellationToken cancellationToken) =>
        new Client(await inner.ConnectAsync(context, cancellationToken), preprocess);

    private sealed class Client(InferenceClient<TExample, TPrediction> inner, Func<TInput, TExample> preprocess) : InferenceClient<TInput, TPrediction>
    {
        public override async Task<Outcome<TPrediction>[]> PredictAsync(
            IReadOnlyList<TInput> batch, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken)
        {
            var outcomes = new Outcome<TPrediction>[batch.Count];
            var examples = new List<TExample>(batch.Count);
            var places = new List<int>(batch.Count);
            for (var i = 0; i < batch.Count; i++)
            {
                var example = Outcome<TInput>.Of(batch[i]).Then(preprocess);
                if (example.Error is { } error)
                {
                    outcomes[i] = Outcome<TPrediction>.Failed(error);
                    continue;
                }

                examples.Add(example.Value);
                places.Add(i);
            }

            if (examples.Count == 0) return outcomes;
            var predictions = await inner.PredictAsync(examples, args, metrics, cancellationToken);
            for (var i = 0; i < predictions.Length; i++) outcomes[places[i]] = predictions[i];
            return outcomes;
        }

        public override void Report(InferenceMetrics metrics) => inner.Report(metrics);
    }
}

/// <summary>A function behind a handler.</summary>
internal sealed class BoundPostprocess<TExample, TPrediction, TOutput>(BoundHandler<TExample, TPrediction> inner, Func<TPrediction, TOutput> postprocess)
    : BoundHandler<TExample, TOutput>
{
    public override async Task<InferenceClient<TExample, TOutput>> ConnectAsync(SetupContext context, CancellationToken cancellationToken) =>
        new Client(await inner.ConnectAsync(context, cancellationToken), postprocess);

    private sealed class Client(InferenceClient<TExample, TPrediction> inner, Func<TPrediction, TOutput> postprocess) : InferenceClient<TExample, TOutput>
    {
        public override async Task<Outcome<TOutput>[]> PredictAsync(
            IReadOnlyList<TExample> batch, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken)
        {
            var predictions = await inner.PredictAsync(batch, args, metrics, cancellationToken);
            return Array.ConvertAll(predictions, prediction => prediction.Then(postprocess));
        }

        public override void Report(InferenceMetrics metrics) => inner.Report(metrics);
    }
}

/// <summary>A handler for elements that are batches.</summary>
internal sealed class BoundNoBatching<TExample, TPrediction>(BoundHandler<TExample, TPrediction> inner)
    : BoundHandler<IReadOnlyList<TExample>, IReadOnlyList<TPrediction>>
{
    public override async Task<InferenceClient<IReadOnlyList<TExample>, IReadOnlyList<TPrediction>>> ConnectAsync(
        SetupContext context, CancellationToken cancellationToken) => new Client(await inner.ConnectAsync(context, cancellationToken));

    private sealed class Client(InferenceClient<TExample, TPrediction> inner) : InferenceClient<IReadOnlyList<TExample>, IReadOnlyList<TPrediction>>
    {
        public override async Task<Outcome<IReadOnlyList<TPrediction>>[]> PredictAsync(
            IReadOnlyList<IReadOnlyList<TExample>> batch, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken)
        {
            var outcomes = new Outcome<IReadOnlyList<TPrediction>>[batch.Count];
            for (var i = 0; i < outcomes.Length; i++)
            {
                var predictions = batch[i].Count == 0 ? [] : await inner.PredictAsync(batch[i], args, metrics, cancellationToken);
                var failed = Array.Find(predictions, prediction => prediction.Error is not null);
                outcomes[i] = failed.Error is { } error
                    ? Outcome<IReadOnlyList<TPrediction>>.Failed(error)
                    : Outcome<IReadOnlyList<TPrediction>>.Of(Array.ConvertAll(predictions, prediction => prediction.Value));
            }

            return outcomes;
        }

        public override void Report(InferenceMetrics metrics) => inner.Report(metrics);
    }
}
