using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Beam.Metrics;

namespace Beam.Harness;

/// <summary>
/// Runs an <see cref="AsyncDoFn{TInput,TOutput}"/>: starts elements on the bundle's thread, up to a number of them at a time, and emits
/// their outputs on that thread when they have finished. The first that fails cancels the others and fails the bundle.
/// </summary>
internal sealed class AsyncParDoOperator<TInput, TOutput> : Receiver<TInput>
{
    private readonly AsyncDoFn<TInput, TOutput> _fn;
    private readonly ParDoOutputs _outputs;
    private readonly ParDoSideInputs _sideInputs;
    private readonly OutputEdge<TOutput>? _main;
    private readonly int _maxConcurrency;

    private readonly object _lock = new();
    private readonly Queue<Element> _finished = new();
    private int _inFlight;
    private Exception? _failure;
    private bool _isLeftBehind;

    private MetricsContainer _metrics = new();
    private CancellationTokenSource? _cancel;
    private ExecutionContext? _flow;
    private BundleContext? _bundle;

    public AsyncParDoOperator(OperatorContext context, AsyncDoFn<TInput, TOutput> fn, ParDoOutputs outputs, Dictionary<string, SideInputReader> sideInputs)
        : base(context)
    {
        _fn = fn;
        _outputs = outputs;
        _main = outputs.Main<TOutput>();
        _sideInputs = new ParDoSideInputs(context.Transform.UniqueName, sideInputs);
        _maxConcurrency = fn.MaxConcurrency;
        if (_maxConcurrency < 1)
            throw new InvalidOperationException($"'{context.Transform.UniqueName}' has a MaxConcurrency of {_maxConcurrency}; it must be at least 1.");
    }

    public override MetricsContainer Metrics => _metrics;

    public override void Setup() => _fn.SetupAsync(Context.Services.Setup, Context.Services.Stopping).GetAwaiter().GetResult();

    public override void StartBundle(BundleContext bundle)
    {
        _metrics = new MetricsContainer();
        MetricsEnvironment.EnterThread(_metrics);
        _bundle = bundle;
        _failure = null;
        _cancel = CancellationTokenSource.CreateLinkedTokenSource(bundle.CancellationToken);
        _sideInputs.StartBundle(bundle);

        // What an element does on other threads counts for this transform: every element runs in this flow.
        MetricsEnvironment.EnterFlow(_metrics);
        var scope = ExecutionScope.Enter(bundle.InstructionId, TransformId);
        _flow = ExecutionContext.Capture();
        ExecutionScope.Restore(scope);
        MetricsEnvironment.EnterFlow(null);
        InFlow(() => _fn.StartBundleAsync(_cancel.Token).GetAwaiter().GetResult());
    }

    public override void Receive(in WindowedValue<TInput> element)
    {
        var scope = Context.EnterUser(_metrics);
        var windows = element.Windows;
        if (windows.Count == 1)
        {
            Start(element);
        }
        else
        {
            for (var i = 0; i < windows.Count; i++) Start(element.WithWindows([windows[i]]));
        }

        Context.LeaveUser(in scope);
    }

    public override void FinishBundle()
    {
        while (TryTakeFinished(limit: 1, out var element)) Emit(element!);
        ThrowIfFailed();
        var finish = new FinishContext(_outputs);
        InFlow(() => _fn.FinishBundleAsync(finish, _cancel!.Token).GetAwaiter().GetResult());
        foreach (var emit in finish.Emits) emit();
        End();
    }

    public override void Abandon()
    {
        if (_cancel is null) return;
        Fail(new OperationCanceledException("The bundle failed elsewhere."));
        var grace = Context.Services.Options.ShutdownGrace;
        lock (_lock)
        {
            for (var started = Stopwatch.GetTimestamp(); _inFlight > 0;)
            {
                var left = grace - Stopwatch.GetElapsedTime(started);
                if (left > TimeSpan.Zero && Monitor.Wait(_lock, left)) continue;
                _isLeftBehind = true; // the function is in use as long as they are
                throw new TimeoutException(
                    $"{_inFlight} elements of '{Name}' go on {grace.TotalSeconds:0.#} s after they were cancelled; its function is not torn down. Let it heed its cancellation token.");
            }
        }

        End();
    }

    public override void Teardown()
    {
        if (!_isLeftBehind) _fn.TeardownAsync().GetAwaiter().GetResult();
    }

    private void Start(in WindowedValue<TInput> input)
    {
        while (TryTakeFinished(limit: _maxConcurrency, out var finished)) Emit(finished!);
        ThrowIfFailed();
        var element = new Element(this, input);
        lock (_lock) _inFlight++;
        ExecutionContext.Run(_flow!, static e => ((Element)e!).Run(), element);
    }

    /// <summary>
    /// Takes an element that has finished. If there is none, waits for one while <paramref name="limit"/> or more are in flight; not in a
    /// bundle that has failed, where others may never finish.
    /// </summary>
    private bool TryTakeFinished(int limit, out Element? element)
    {
        lock (_lock)
        {
            while (!_finished.TryDequeue(out element))
            {
                if (_inFlight < limit || _failure is not null) return false;
                Monitor.Wait(_lock);
            }

            return true;
        }
    }

    private void Emit(Element element)
    {
        if (Volatile.Read(ref _failure) is not null) return; // the bundle fails: only the waiting goes on
        element.EmitTo(_main, _outputs);
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref _failure) is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    private void Complete(Element element, Exception? error)
    {
        if (error is not null) Fail(error);
        lock (_lock)
        {
            _inFlight--;
            _finished.Enqueue(element);
            Monitor.Pulse(_lock);
        }
    }

    private void Fail(Exception error)
    {
        if (Interlocked.CompareExchange(ref _failure, error, null) is not null) return;
        try
        {
            _cancel!.Cancel();
        }
        catch (AggregateException)
        {
            // Callbacks of the user's tokens threw. The failure that cancelled them is the one to report.
        }

        _bundle!.Fail(new TransformFailure(Name, error)); // the thread may be waiting for elements
    }

    private void End()
    {
        _sideInputs.EndBundle();
        _cancel?.Dispose();
        _cancel = null;
        _flow = null;
        _bundle = null;
    }

    private void InFlow(Action action) => ExecutionContext.Run(_flow!, static a => ((Action)a!)(), action);

    /// <summary>One element on its way, which keeps its outputs until the bundle's thread emits them.</summary>
    private sealed class Element(AsyncParDoOperator<TInput, TOutput> owner, in WindowedValue<TInput> input) : ProcessContext<TOutput>
    {
        private readonly WindowedValue<TInput> _input = input;
        private readonly List<WindowedValue<TOutput>> _main = new(1);
        private List<Action<ParDoOutputs>>? _tagged;
        private Task? _task;

        public override Timestamp Timestamp => _input.Timestamp;

        public override BoundedWindow Window => _input.Windows[0];

        public override PaneInfo Pane => _input.Pane;

        public void Run()
        {
            try
            {
                _task = owner._fn.ProcessElementAsync(_input.Value, this, owner._cancel!.Token);
            }
            catch (Exception e)
            {
                _task = Task.FromException(e); // thrown before the first await: the same to the user
            }

            if (_task.IsCompleted) Completed();
            else _task.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(Completed);
        }

        public void EmitTo(OutputEdge<TOutput>? main, ParDoOutputs outputs)
        {
            if (main is not null)
            {
                foreach (ref readonly var value in System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_main)) main.Emit(in value);
            }

            if (_tagged is null) return;
            foreach (var emit in _tagged) emit(outputs);
        }

        public override void Output(TOutput value) => _main.Add(_input.With(value));

        public override void Output(TOutput value, Timestamp timestamp) => _main.Add(_input.With(value).WithTimestamp(timestamp));

        public override void Output<T>(OutputTag<T> tag, T value) => Output(tag, value, _input.Timestamp);

        public override void Output<T>(OutputTag<T> tag, T value, Timestamp timestamp)
        {
            owner._outputs.Require(tag); // here, where the user's stack trace is
            var element = _input.With(value).WithTimestamp(timestamp);
            (_tagged ??= []).Add(outputs => outputs.Emit(tag, in element));
        }

        public override T SideInput<T>(PCollectionView<T> view) => owner._sideInputs.Get(view, Window);

        private void Completed()
        {
            Exception? error = null;
            if (_task!.IsFaulted) error = _task.Exception.InnerException!;
            else if (_task.IsCanceled) error = Cancelled();
            owner.Complete(this, error);
        }

        private Exception Cancelled()
        {
            try
            {
                _task!.GetAwaiter().GetResult();
            }
            catch (OperationCanceledException e)
            {
                return e;
            }

            throw new InvalidOperationException("A cancelled task did not throw.");
        }
    }

    private sealed class FinishContext(ParDoOutputs outputs) : FinishBundleContext<TOutput>
    {
        public List<Action> Emits { get; } = [];

        public override void Output(TOutput value, Timestamp timestamp, BoundedWindow window) =>
            Emits.Add(() => outputs.Main<TOutput>()?.Emit(WindowedValue.Of(value, timestamp, window)));

        public override void Output<T>(OutputTag<T> tag, T value, Timestamp timestamp, BoundedWindow window)
        {
            outputs.Require(tag);
            Emits.Add(() => outputs.Emit(tag, WindowedValue.Of(value, timestamp, window)));
        }
    }
}
