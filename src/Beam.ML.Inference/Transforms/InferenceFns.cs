using Beam.ML.Inference.Clients;

namespace Beam.ML.Inference;

/// <summary>Sends each element to the model by itself, and many at a time.</summary>
internal sealed class ElementInferenceFn<TExample, TPrediction>(InferenceCaller<TExample, TPrediction> caller, int concurrency) : AsyncDoFn<TExample, TPrediction>
{
    public override int MaxConcurrency => concurrency;

    public override Task SetupAsync(SetupContext context, CancellationToken cancellationToken) => caller.SetupAsync(context, cancellationToken);

    public override Task ProcessElementAsync(TExample element, ProcessContext<TPrediction> context, CancellationToken cancellationToken) =>
        caller.InferAsync([element], context, cancellationToken);

    public override Task FinishBundleAsync(FinishBundleContext<TPrediction> context, CancellationToken cancellationToken)
    {
        caller.Report();
        return Task.CompletedTask;
    }
}

/// <summary>Sends each batch to the model, one after another, so that whoever chooses their size sees how long they take.</summary>
internal sealed class BatchInferenceFn<TExample, TPrediction>(InferenceCaller<TExample, TPrediction> caller) : AsyncDoFn<IReadOnlyList<TExample>, TPrediction>
{
    public override int MaxConcurrency => 1;

    public override Task SetupAsync(SetupContext context, CancellationToken cancellationToken) => caller.SetupAsync(context, cancellationToken);

    public override Task ProcessElementAsync(IReadOnlyList<TExample> element, ProcessContext<TPrediction> context, CancellationToken cancellationToken) =>
        caller.InferAsync(element, context, cancellationToken);

    public override Task FinishBundleAsync(FinishBundleContext<TPrediction> context, CancellationToken cancellationToken)
    {
        caller.Report();
        return Task.CompletedTask;
    }
}

/// <summary>What both functions do: ask, count, and send what failed where it belongs.</summary>
internal sealed class InferenceCaller<TExample, TPrediction>(
    BoundHandler<TExample, TPrediction> handler, InferenceArgs args, string metricsNamespace, OutputTag<FailedElement<TExample>>? failed)
{
    private const int MaxDescription = 80;

    [Transient]
    private InferenceClient<TExample, TPrediction>? client;

    [Transient]
    private InferenceMetrics? metrics;

    [Transient]
    private string workerId = "";

    public async Task SetupAsync(SetupContext context, CancellationToken cancellationToken)
    {
        workerId = context.WorkerId;
        metrics = new InferenceMetrics(metricsNamespace);
        client = await handler.ConnectAsync(context, cancellationToken);
    }

    public async Task InferAsync(IReadOnlyList<TExample> batch, ProcessContext<TPrediction> context, CancellationToken cancellationToken)
    {
        var outcomes = await client!.PredictAsync(batch, args, metrics!, cancellationToken);
        for (var i = 0; i < outcomes.Length; i++)
        {
            if (outcomes[i].Error is not { } error)
            {
                context.Output(outcomes[i].Value);
                continue;
            }

            metrics!.ElementFailed();
            if (failed is not null) context.Output(failed, Failure(batch[i], error));
            else throw new InferenceException(TypeOf(error), $"No prediction for {Describe(batch[i])}: {error.Message} RunInferenceWithExceptionHandling puts such elements aside and goes on.", TraceOf(error));
        }
    }

    public void Report()
    {
        metrics!.Workers.Add(workerId);
        client!.Report(metrics);
    }

    private static FailedElement<TExample> Failure(TExample example, Exception error) => new(example, TypeOf(error), error.Message, TraceOf(error));

    private static string TypeOf(Exception error) =>
        (error as InferenceException)?.ErrorType ?? error.GetType().FullName ?? error.GetType().Name;

    private static string TraceOf(Exception error) => (error as InferenceException)?.Trace ?? error.StackTrace ?? "";

    private static string Describe(TExample example)
    {
        var text = (example?.ToString() ?? "null").ReplaceLineEndings(" ");
        return text.Length <= MaxDescription ? $"'{text}'" : $"'{text.AsSpan(0, MaxDescription)}…' ({text.Length} characters)";
    }
}
