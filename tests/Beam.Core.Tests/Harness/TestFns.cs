using Beam.Metrics;

namespace Beam.Core.Tests.Harness;

internal sealed class UpperFn : DoFn<string, string>
{
    public override void ProcessElement(string element, ProcessContext<string> context) => context.Output(element.ToUpperInvariant());
}

internal sealed class LengthFn : DoFn<string, long>
{
    public override void ProcessElement(string element, ProcessContext<long> context) => context.Output(element.Length);
}

/// <summary>Outputs words to the main output and numbers to a tagged one.</summary>
internal sealed class SortFn(OutputTag<long> numbers) : DoFn<string, string>
{
    public override void ProcessElement(string element, ProcessContext<string> context)
    {
        if (long.TryParse(element, out var number)) context.Output(numbers, number);
        else context.Output(element);
    }
}

/// <summary>Says what it sees of each element.</summary>
internal sealed class DescribeFn : DoFn<string, string>
{
    public override void ProcessElement(string element, ProcessContext<string> context) =>
        context.Output($"{element} @ {context.Timestamp.Milliseconds} in {context.Window} {context.Pane.Timing}");
}

/// <summary>Looks at no window, so that it is called once for all of them.</summary>
internal sealed class WindowlessFn : DoFn<string, string>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(string element, ProcessContext<string> context) => context.Output(element);
}

/// <summary>Records its life and counts the elements of each bundle.</summary>
internal sealed class LifeFn(string probe) : DoFn<string, string>
{
    [Transient] private int _count;

    public override void Setup(SetupContext context) => Probe.Of(probe).Add($"setup on {context.WorkerId}");

    public override void StartBundle()
    {
        _count = 0;
        Probe.Of(probe).Add("start");
    }

    public override void ProcessElement(string element, ProcessContext<string> context)
    {
        if (element == "fail") throw new InvalidOperationException("bad element\nfail");
        _count++;
    }

    public override void FinishBundle(FinishBundleContext<string> context)
    {
        Probe.Of(probe).Add("finish");
        context.Output($"{_count} elements", Timestamp.Epoch, GlobalWindow.Instance);
    }

    public override void Teardown() => Probe.Of(probe).Add("teardown");
}

/// <summary>Waits at one element until the test lets it go on.</summary>
internal sealed class GateFn(string probe, string stopAt) : DoFn<string, string>
{
    public override void ProcessElement(string element, ProcessContext<string> context)
    {
        context.Output(element);
        if (element != stopAt) return;
        Probe.Of(probe).Reach();
        Probe.Of(probe).Gate.Wait();
    }
}

internal sealed class MeasureFn : DoFn<string, string>
{
    private static readonly Counter Seen = Metric.Counter("tests", "seen");
    private static readonly Distribution Lengths = Metric.Distribution("tests", "lengths");
    private static readonly Gauge Last = Metric.Gauge("tests", "last");
    private static readonly StringSet Words = Metric.StringSet("tests", "words");

    public override void ProcessElement(string element, ProcessContext<string> context)
    {
        Seen.Inc();
        Lengths.Update(element.Length);
        Last.Set(element.Length);
        Words.Add(element);
        context.Output(element);
        Seen.Inc(10); // still this transform's, although a later one has run meanwhile
    }
}

internal sealed class AddFn : CombineFn<long, List<long>, double>
{
    public override List<long> CreateAccumulator() => [];

    public override List<long> AddInput(List<long> accumulator, long input)
    {
        accumulator.Add(input);
        return accumulator;
    }

    public override List<long> MergeAccumulators(IEnumerable<List<long>> accumulators) => [.. accumulators.SelectMany(a => a)];

    public override double ExtractOutput(List<long> accumulator) => accumulator.Sum() / 2.0;

    public override List<long> Compact(List<long> accumulator) => [accumulator.Sum()];
}
