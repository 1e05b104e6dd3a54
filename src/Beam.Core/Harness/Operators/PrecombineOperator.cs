using Beam.Metrics;

namespace Beam.Harness;

/// <summary>
/// Combines what it can before the grouping: a bounded table of accumulators by key and window, emitted when it is full and at the end
/// of the bundle.
/// </summary>
internal sealed class PrecombineOperator<TKey, TInput, TAccumulator, TOutput>(
    OperatorContext context, CombineFn<TInput, TAccumulator, TOutput> fn, TimestampCombiner timestamps, AccumulatorTable<TKey, TAccumulator> table)
    : Receiver<KV<TKey, TInput>>(context)
{
    private readonly OutputEdge<KV<TKey, TAccumulator>> _output = context.SingleEdge<KV<TKey, TAccumulator>>();
    private MetricsContainer _metrics = new();

    public override MetricsContainer Metrics => _metrics;

    public override void StartBundle(BundleContext bundle) => _metrics = new MetricsContainer();

    public override void Receive(in WindowedValue<KV<TKey, TInput>> element)
    {
        var scope = Context.EnterUser(_metrics);
        var windows = element.Windows;
        if (ReferenceEquals(windows, GlobalWindow.Windows))
        {
            Add(element.Value, GlobalWindow.Instance, element.Timestamp);
        }
        else
        {
            for (var i = 0; i < windows.Count; i++) Add(element.Value, windows[i], element.Timestamp);
        }

        Context.LeaveUser(in scope);
    }

    public override void FinishBundle() => Flush();

    public override void Abandon() => table.Clear();

    private void Add(in KV<TKey, TInput> element, BoundedWindow window, Timestamp timestamp)
    {
        if (table.IsFull) Flush();
        ref var partial = ref table.Find(element.Key, window, out var exists);
        if (!exists)
        {
            partial.Timestamp = timestamp;
            partial.Accumulator = fn.CreateAccumulator();
        }
        else
        {
            partial.Timestamp = timestamps switch
            {
                TimestampCombiner.Earliest => Timestamp.Min(partial.Timestamp, timestamp),
                TimestampCombiner.Latest => Timestamp.Max(partial.Timestamp, timestamp),
                _ => partial.Timestamp,
            };
        }

        // The function may be anything but a user of this table, so the reference stays valid.
        partial.Accumulator = fn.AddInput(partial.Accumulator, element.Value);
    }

    private void Flush()
    {
        foreach (ref readonly var partial in table.Drain())
        {
            var timestamp = timestamps == TimestampCombiner.EndOfWindow ? partial.Window.MaxTimestamp : partial.Timestamp;
            var compact = fn.Compact(partial.Accumulator);
            _output.Emit(WindowedValue.Of(new KV<TKey, TAccumulator>(partial.Key, compact), timestamp, partial.Window));
        }
    }
}
