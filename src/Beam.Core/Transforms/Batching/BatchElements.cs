using Beam.Coders.Collections;

namespace Beam;

/// <summary>Batches of elements.</summary>
public static class BatchElementsExtensions
{
    /// <summary>
    /// Collects elements into batches for what costs less by the batch, and finds a good size by timing what follows, as long as that runs
    /// in the same stage. A batch holds elements of one bundle and one window; its event time is the window's end.
    /// </summary>
    /// <param name="input">The collection.</param>
    /// <param name="options">Limits and targets; the defaults if null.</param>
    /// <param name="elementSize">
    /// The size of an element (its tokens, for example); null for 1 each. All sizes in <paramref name="options"/> are sums of these. An
    /// element that is larger than the largest batch is a batch of its own.
    /// </param>
    /// <param name="name">The transform's name.</param>
    /// <exception cref="PipelineConstructionException">A limit or target is out of its range.</exception>
    public static PCollection<IReadOnlyList<T>> BatchElements<T>(
        this PCollection<T> input, BatchElementsOptions? options = null, Func<T, long>? elementSize = null, string? name = null) =>
        input.Apply(new BatchElements<T>(options ?? new(), elementSize), name);

    /// <summary>Collects elements into batches of <paramref name="minBatchSize"/> to <paramref name="maxBatchSize"/> elements.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="minBatchSize">The smallest batch, but for the last of a bundle or window.</param>
    /// <param name="maxBatchSize">The largest batch.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<IReadOnlyList<T>> BatchElements<T>(this PCollection<T> input, int minBatchSize, int maxBatchSize, string? name = null) =>
        input.BatchElements(new BatchElementsOptions { MinBatchSize = minBatchSize, MaxBatchSize = maxBatchSize }, null, name);
}

/// <summary>Checks the options and applies the function.</summary>
internal sealed class BatchElements<T>(BatchElementsOptions options, Func<T, long>? elementSize) : PTransform<PCollection<T>, PCollection<IReadOnlyList<T>>>
{
    public override PCollection<IReadOnlyList<T>> Expand(PCollection<T> input)
    {
        options.Check();
        return input.Apply(
            new ParDoTransform<T, IReadOnlyList<T>>(new BatchElementsFn<T>(options, elementSize), new ListCoder<IReadOnlyList<T>, T>(input.Coder)), "Batch");
    }
}

/// <summary>Holds the elements of each window until they are a batch, or the bundle ends.</summary>
internal sealed class BatchElementsFn<T>(BatchElementsOptions options, Func<T, long>? elementSize) : DoFn<T, IReadOnlyList<T>>
{
    [Transient]
    private State? state;

    public override void Setup(SetupContext context) => state = new State(options);

    public override void StartBundle()
    {
        var current = state ??= new State(options);
        current.Batches.Clear();
        current.Estimator.IgnoreNextTiming();
        current.Target = current.Estimator.NextBatchSize();
    }

    public override void ProcessElement(T element, ProcessContext<IReadOnlyList<T>> context)
    {
        var size = elementSize?.Invoke(element) ?? 1;
        if (size < 0) throw new InvalidOperationException($"BatchElements: the size of an element is {size}; sizes cannot be negative.");
        var current = state!;
        var window = context.Window;
        if (!current.Batches.TryGetValue(window, out var batch)) current.Batches.Add(window, batch = new Batch());
        if (batch.Elements.Count > 0 && batch.Size + size > current.Target) Emit(batch);
        batch.Elements.Add(element);
        batch.Size += size;
        if (batch.Size >= current.Target) Emit(batch);

        void Emit(Batch full) => current.Emit(full, elements => context.Output(elements, window.MaxTimestamp));
    }

    public override void FinishBundle(FinishBundleContext<IReadOnlyList<T>> context)
    {
        foreach (var (window, batch) in state!.Batches)
        {
            if (batch.Elements.Count > 0) state.Emit(batch, elements => context.Output(elements, window.MaxTimestamp, window));
        }

        state.Batches.Clear();
    }

    private sealed class Batch
    {
        public List<T> Elements { get; set; } = [];

        public long Size { get; set; }
    }

    private sealed class State(BatchElementsOptions options)
    {
        public BatchSizeEstimator Estimator { get; } = new(options);

        public Dictionary<BoundedWindow, Batch> Batches { get; } = [];

        public int Target { get; set; }

        public void Emit(Batch batch, Action<IReadOnlyList<T>> output)
        {
            var (elements, size) = (batch.Elements, batch.Size);
            (batch.Elements, batch.Size) = ([], 0);
            Estimator.Time(size, () => output(elements));
            Target = Estimator.NextBatchSize();
        }
    }
}
