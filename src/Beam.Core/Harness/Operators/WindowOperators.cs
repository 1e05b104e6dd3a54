using System.Globalization;

namespace Beam.Harness;

/// <summary>Puts elements into the windows of their timestamp.</summary>
internal sealed class WindowIntoOperator<T>(OperatorContext context, WindowFn windowFn) : Receiver<T>(context)
{
    private readonly OutputEdge<T> _output = context.SingleEdge<T>();
    private readonly bool _keepsIntervals = windowFn is FixedWindows;
    private IReadOnlyList<BoundedWindow>? _last;
    private IntervalWindow? _lastInterval;

    public override void Receive(in WindowedValue<T> element)
    {
        var before = Context.Enter();
        IReadOnlyList<BoundedWindow> windows;
        if (_lastInterval is { } last && last.Contains(element.Timestamp))
        {
            windows = _last!; // windows side by side: what is in the interval is in that window alone
        }
        else
        {
            windows = windowFn.Assign(element.Timestamp);
            if (_keepsIntervals && windows is [IntervalWindow interval]) (_last, _lastInterval) = (windows, interval);
        }

        if (windows.Count != 0) _output.Emit(element.WithWindows(windows));
        Context.Leave(before);
    }
}

/// <summary>Maps windows of main inputs to those of side inputs, for a runner that asks for it: pairs of a nonce and a window.</summary>
internal sealed class MapWindowsOperator<TNonce, TFrom, TTo>(OperatorContext context, WindowFn windowFn) : Receiver<KV<TNonce, TFrom>>(context)
    where TFrom : BoundedWindow where TTo : BoundedWindow
{
    private readonly OutputEdge<KV<TNonce, TTo>> _output = context.SingleEdge<KV<TNonce, TTo>>();

    public override void Receive(in WindowedValue<KV<TNonce, TFrom>> element)
    {
        var before = Context.Enter();
        var mapped = (TTo)windowFn.SideInputWindow(element.Value.Value);
        _output.Emit(element.With(KV.Of(element.Value.Key, mapped)));
        Context.Leave(before);
    }
}

/// <summary>Makes text of elements, for a runner that shows them: pairs of a nonce and an element.</summary>
internal sealed class ToStringOperator<TNonce, TElement>(OperatorContext context) : Receiver<KV<TNonce, TElement>>(context)
{
    private readonly OutputEdge<KV<TNonce, string>> _output = context.SingleEdge<KV<TNonce, string>>();

    public override void Receive(in WindowedValue<KV<TNonce, TElement>> element)
    {
        var before = Context.Enter();
        var text = Convert.ToString(element.Value.Value, CultureInfo.InvariantCulture) ?? "";
        _output.Emit(element.With(KV.Of(element.Value.Key, text)));
        Context.Leave(before);
    }
}
