using Beam.Metrics;

namespace Beam.Harness;

/// <summary>Runs a <see cref="DoFn{TInput,TOutput}"/>.</summary>
internal sealed class ParDoOperator<TInput, TOutput> : Receiver<TInput>
{
    private readonly DoFn<TInput, TOutput> _fn;
    private readonly ParDoSideInputs _sideInputs;
    private readonly ElementContext _element;
    private readonly FinishContext _finish;
    private readonly bool _observesWindow;
    private MetricsContainer _metrics = new();

    public ParDoOperator(OperatorContext context, DoFn<TInput, TOutput> fn, ParDoOutputs outputs, Dictionary<string, SideInputReader> sideInputs)
        : base(context)
    {
        _fn = fn;
        _sideInputs = new ParDoSideInputs(context.Transform.UniqueName, sideInputs);
        _element = new ElementContext(outputs, _sideInputs);
        _finish = new FinishContext(outputs);
        _observesWindow = fn.ObservesWindow;
    }

    public override MetricsContainer Metrics => _metrics;

    public override void Setup() => _fn.Setup(Context.Services.Setup);

    public override void StartBundle(BundleContext bundle)
    {
        _metrics = new MetricsContainer();
        MetricsEnvironment.EnterThread(_metrics);
        _sideInputs.StartBundle(bundle);
        _fn.StartBundle();
    }

    public override void Receive(in WindowedValue<TInput> element)
    {
        var scope = Context.EnterUser(_metrics);
        var context = _element;
        context.Timestamp_ = element.Timestamp;
        context.Pane_ = element.Pane;
        var windows = context.Windows = element.Windows;
        if (!_observesWindow || windows.Count == 1)
        {
            _fn.ProcessElement(element.Value, context);
        }
        else
        {
            for (var i = 0; i < windows.Count; i++)
            {
                context.Windows = [windows[i]];
                _fn.ProcessElement(element.Value, context);
            }
        }

        Context.LeaveUser(in scope);
    }

    public override void FinishBundle()
    {
        _fn.FinishBundle(_finish);
        _sideInputs.EndBundle();
    }

    public override void Abandon() => _sideInputs.EndBundle();

    public override void Teardown() => _fn.Teardown();

    /// <summary>The context of one element after another.</summary>
    private sealed class ElementContext(ParDoOutputs outputs, ParDoSideInputs sideInputs) : ProcessContext<TOutput>
    {
        private readonly OutputEdge<TOutput>? _main = outputs.Main<TOutput>();

        public Timestamp Timestamp_;
        public PaneInfo Pane_;
        public IReadOnlyList<BoundedWindow> Windows = GlobalWindow.Windows;

        public override Timestamp Timestamp => Timestamp_;

        public override BoundedWindow Window => OnlyWindow.Of(Windows);

        public override PaneInfo Pane => Pane_;

        public override void Output(TOutput value) => _main?.Emit(new WindowedValue<TOutput>(value, Timestamp_, Windows, Pane_));

        public override void Output(TOutput value, Timestamp timestamp) => _main?.Emit(new WindowedValue<TOutput>(value, timestamp, Windows, Pane_));

        public override void Output<T>(OutputTag<T> tag, T value) => outputs.Emit(tag, new WindowedValue<T>(value, Timestamp_, Windows, Pane_));

        public override void Output<T>(OutputTag<T> tag, T value, Timestamp timestamp) =>
            outputs.Emit(tag, new WindowedValue<T>(value, timestamp, Windows, Pane_));

        public override T SideInput<T>(PCollectionView<T> view) => sideInputs.Get(view, Window);
    }

    private sealed class FinishContext(ParDoOutputs outputs) : FinishBundleContext<TOutput>
    {
        private readonly OutputEdge<TOutput>? _main = outputs.Main<TOutput>();

        public override void Output(TOutput value, Timestamp timestamp, BoundedWindow window) => _main?.Emit(WindowedValue.Of(value, timestamp, window));

        public override void Output<T>(OutputTag<T> tag, T value, Timestamp timestamp, BoundedWindow window) =>
            outputs.Emit(tag, WindowedValue.Of(value, timestamp, window));
    }
}

/// <summary>The window of an element, for a function that asks.</summary>
internal static class OnlyWindow
{
    public static BoundedWindow Of(IReadOnlyList<BoundedWindow> windows) => windows.Count == 1
        ? windows[0]
        : throw new InvalidOperationException(
            "The element is in several windows, and its function has said that it looks at none; let ObservesWindow be true.");
}
