namespace Beam;

/// <summary>Calls a function and sends the elements for which it throws elsewhere.</summary>
internal sealed class ExceptionHandlingFn<TInput, TOutput>(
    DoFn<TInput, TOutput> fn, ExceptionHandling handling, OutputTag<FailedElement<TInput>> bad) : DoFn<TInput, TOutput>
{
    [Transient]
    private HeldOutputs<TOutput>? held;

    protected internal override bool ObservesWindow => fn.ObservesWindow;

    public override void Setup(SetupContext context)
    {
        held = new HeldOutputs<TOutput>();
        fn.Setup(context);
    }

    public override void StartBundle() => fn.StartBundle();

    public override void ProcessElement(TInput element, ProcessContext<TOutput> context)
    {
        held ??= new HeldOutputs<TOutput>();
        held.Begin(context);
        try
        {
            fn.ProcessElement(element, held);
        }
        catch (Exception e) when (handling.Catches(e))
        {
            context.Output(bad, FailedElement.Of(element, e));
            return;
        }

        // Outside the try: an exception of a fused transform after this one is not this one's.
        held.Release();
    }

    public override void FinishBundle(FinishBundleContext<TOutput> context) => fn.FinishBundle(context);

    public override void Teardown() => fn.Teardown();
}

/// <summary>Calls an asynchronous function and sends the elements for which it throws elsewhere.</summary>
internal sealed class AsyncExceptionHandlingFn<TInput, TOutput>(
    AsyncDoFn<TInput, TOutput> fn, ExceptionHandling handling, OutputTag<FailedElement<TInput>> bad) : AsyncDoFn<TInput, TOutput>
{
    public override int MaxConcurrency => fn.MaxConcurrency;

    public override Task SetupAsync(SetupContext context, CancellationToken cancellationToken) => fn.SetupAsync(context, cancellationToken);

    public override Task StartBundleAsync(CancellationToken cancellationToken) => fn.StartBundleAsync(cancellationToken);

    public override async Task ProcessElementAsync(TInput element, ProcessContext<TOutput> context, CancellationToken cancellationToken)
    {
        var held = new HeldOutputs<TOutput>();
        held.Begin(context);
        try
        {
            await fn.ProcessElementAsync(element, held, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && handling.Catches(e))
        {
            context.Output(bad, FailedElement.Of(element, e));
            return;
        }

        held.Release();
    }

    public override Task FinishBundleAsync(FinishBundleContext<TOutput> context, CancellationToken cancellationToken) =>
        fn.FinishBundleAsync(context, cancellationToken);

    public override Task TeardownAsync() => fn.TeardownAsync();
}

/// <summary>A context that keeps the outputs of an element until it is known that it did not fail.</summary>
internal sealed class HeldOutputs<TOutput> : ProcessContext<TOutput>
{
    private readonly List<(TOutput Value, Timestamp? Timestamp, Action<ProcessContext<TOutput>>? Tagged)> outputs = [];
    private ProcessContext<TOutput>? context;

    public override Timestamp Timestamp => Context.Timestamp;

    public override BoundedWindow Window => Context.Window;

    public override PaneInfo Pane => Context.Pane;

    private ProcessContext<TOutput> Context => context ?? throw new InvalidOperationException("The element of this context has been processed.");

    public void Begin(ProcessContext<TOutput> target)
    {
        outputs.Clear();
        context = target;
    }

    public void Release()
    {
        var target = Context;
        foreach (var (value, timestamp, tagged) in outputs)
        {
            if (tagged is not null) tagged(target);
            else if (timestamp is { } at) target.Output(value, at);
            else target.Output(value);
        }

        outputs.Clear();
    }

    public override void Output(TOutput value) => outputs.Add((value, null, null));

    public override void Output(TOutput value, Timestamp timestamp) => outputs.Add((value, timestamp, null));

    public override void Output<T>(OutputTag<T> tag, T value) => outputs.Add((default!, null, c => c.Output(tag, value)));

    public override void Output<T>(OutputTag<T> tag, T value, Timestamp timestamp) => outputs.Add((default!, null, c => c.Output(tag, value, timestamp)));

    public override T SideInput<T>(PCollectionView<T> view) => Context.SideInput(view);
}
