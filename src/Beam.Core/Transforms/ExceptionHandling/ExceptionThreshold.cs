namespace Beam;

/// <summary>Counts what failed, where only a part may.</summary>
internal static class ExceptionThreshold
{
    /// <summary>Adds the check to the transform that is being expanded, if it has a threshold: a part of the elements that went in.</summary>
    public static void Check<TOutput, TInput>(PCollection<TInput> input, WithFailures<TOutput, TInput> result, ExceptionHandling handling) =>
        Check(result, handling, input, countsFailures: true);

    /// <summary>The same where every element that does not fail gives one output, and the input is not a collection.</summary>
    public static void Check<TOutput, TInput>(WithFailures<TOutput, TInput> result, ExceptionHandling handling) =>
        Check(result, handling, result.Output, countsFailures: false);

    private static void Check<TOutput, TInput, TCounted>(
        WithFailures<TOutput, TInput> result, ExceptionHandling handling, PCollection<TCounted> counted, bool countsFailures)
    {
        var (good, failed) = result;
        var transform = good.Pipeline.Graph.Current.FullName;
        if (handling.Threshold is not (>= 0 and <= 1))
            throw new PipelineConstructionException($"'{transform}': the threshold of failed elements is {handling.Threshold}; give a part between 0 and 1.");
        if (handling.Threshold == 1) return;
        if (!good.IsBounded)
            throw new PipelineConstructionException($"'{transform}' has a threshold of failed elements, which needs a bounded input; leave it at 1.");
        var failures = failed.WindowInto(GlobalWindows.Instance, name: "GlobalFailures").CombineGloballyAsView(new CountFn<FailedElement<TInput>>(), "CountFailures");
        var elements = counted.WindowInto(GlobalWindows.Instance, name: "GlobalElements").CombineGloballyAsView(new CountFn<TCounted>(), "CountElements");
        good.Pipeline.Impulse().ParallelDo(new CheckThresholdFn(transform, handling.Threshold, failures, elements, countsFailures), "CheckThreshold");
    }
}

/// <summary>Fails the pipeline if too many elements failed.</summary>
internal sealed class CheckThresholdFn(
    string transform, double threshold, PCollectionView<long> failures, PCollectionView<long> elements, bool elementsIncludeFailures) : DoFn<byte[], bool>
{
    public override void ProcessElement(byte[] element, ProcessContext<bool> context)
    {
        var failed = context.SideInput(failures);
        var total = context.SideInput(elements) + (elementsIncludeFailures ? 0 : failed);
        if (failed > threshold * total)
            throw new InvalidOperationException($"{failed} of {total} elements of '{transform}' failed, more than the part of {threshold} that may.");
    }
}
