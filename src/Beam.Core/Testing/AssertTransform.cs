using Beam.Metrics;

namespace Beam.Testing;

/// <summary>Gathers a collection and checks it once, also if it is empty.</summary>
internal sealed class AssertTransform<T>(string name, string producer, Expectation<T> expectation, WindowId? window) : PTransform<PCollection<T>, PDone>
{
    public override string Name => $"PAssert({producer}).{name}";

    public override PDone Expand(PCollection<T> input)
    {
        var pipeline = input.Pipeline;
        (pipeline as TestPipeline)?.Expect(pipeline.Graph.Current.FullName);
        var selected = window is null
            ? input
            : input.Apply(new ParDoTransform<T, T>(new InWindowFn<T>(window), input.Coder), "InWindow");
        var all = selected.WindowInto(GlobalWindows.Instance).AsList();
        pipeline.Impulse().ParallelDo(new AssertFn<T>(pipeline.Graph.Current.FullName, expectation, all), "Check");
        return new PDone(pipeline);
    }
}

/// <summary>Keeps the elements of one window.</summary>
internal sealed class InWindowFn<T>(WindowId window) : DoFn<T, T>
{
    public override void ProcessElement(T element, ProcessContext<T> context)
    {
        if (WindowId.Of(context.Window) == window) context.Output(element);
    }
}

/// <summary>Checks, and says that it did.</summary>
internal sealed class AssertFn<T>(string name, Expectation<T> expectation, PCollectionView<IReadOnlyList<T>> all) : DoFn<byte[], bool>
{
    public override void ProcessElement(byte[] element, ProcessContext<bool> context)
    {
        var actual = context.SideInput(all);
        try
        {
            expectation.Check(actual);
        }
        catch (PAssertException e)
        {
            throw new PAssertException($"{name}: {e.Message}");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The exceptions of test frameworks are made to be read.
            var type = e.GetType().Name.Contains("Assert", StringComparison.Ordinal) ? "" : $"{e.GetType().FullName}: ";
            throw new PAssertException($"{name}: {type}{e.Message.Trim()}", e);
        }

        Metric.Counter(PAssert.MetricsNamespace, "success").Inc();
    }
}

/// <summary>A window in a form that travels.</summary>
/// <param name="Start">Its beginning in milliseconds; null for the global window.</param>
/// <param name="End">Its end.</param>
internal sealed record WindowId(long? Start, long End)
{
    public static WindowId Of(BoundedWindow window) => window is IntervalWindow interval
        ? new(interval.Start.Milliseconds, interval.End.Milliseconds)
        : new(null, window.MaxTimestamp.Milliseconds);
}
