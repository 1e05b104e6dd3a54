namespace Beam.ML.Inference.Clients;

/// <summary>A handler on its way to the workers, with all that was known when the pipeline was built.</summary>
internal abstract class BoundHandler<TExample, TPrediction>
{
    /// <summary>Gets at the model, and loads it if this is the first time.</summary>
    /// <exception cref="ModelLoadException">It cannot be loaded.</exception>
    public abstract Task<InferenceClient<TExample, TPrediction>> ConnectAsync(SetupContext context, CancellationToken cancellationToken);
}

/// <summary>What elements are sent to on a worker.</summary>
internal abstract class InferenceClient<TExample, TPrediction>
{
    /// <summary>
    /// The outcome of each example, in order. An error that no example is to blame for (the model cannot be loaded, its hosts are lost, the
    /// bundle is cancelled) is thrown.
    /// </summary>
    public abstract Task<Outcome<TPrediction>[]> PredictAsync(
        IReadOnlyList<TExample> batch, InferenceArgs args, InferenceMetrics metrics, CancellationToken cancellationToken);

    /// <summary>Reports what was seen outside of any bundle, such as how long loading took.</summary>
    public virtual void Report(InferenceMetrics metrics) { }
}
