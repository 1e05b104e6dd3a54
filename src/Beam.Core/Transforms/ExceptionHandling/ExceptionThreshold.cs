namespace Beam;

/// <summary>Counts what failed, where only a part may.</summary>
internal static class ExceptionThreshold
{
    /// <summary>Adds the check to the transform that is being expanded, if it has a threshold.</summary>
    public static void Check<TOutput, TInput>(WithFailures<TOutput, TInput> result, ExceptionHandling handling)
    {
        var (good, failed) = result;
        var transform = good.Pipeline.Graph.Current.FullName;
        if (handling.Threshold is not (>= 0 and <= 1))
            throw new PipelineConstructionException($"'{transform}': the threshold of failed elements is {handling.Threshold}; give a part between 0 and 1.");
        if (handling.Threshold == 1) return;
        if (!good.IsBounded)
            throw new PipelineConstructionException($"'{transform}' has a threshold of failed elements, which needs a bounded input; leave it at 1.");
        var failures = failed.WindowInto(GlobalWindows.Instance, name: "GlobalFailures").CombineGloballyAsView(new CountFn<FailedElement<TInput>>(), "CountFailures");
        var successes = good.WindowInto(GlobalWindows.Instance, name: "GlobalSuccesses").CombineGloballyAsView(new CountFn<TOutput>(), "CountSuccesses");
        good.Pipeline.Impulse().ParallelDo(new CheckThresholdFn(transform, handling.Threshold, failures, successes), "CheckThreshold");
    }
}

/// <summary>Fails the pipeline if too many elements failed.</summary>
internal sealed class CheckThresholdFn(string transform, double threshold, PCollectionView<long> failures, PCollectionView<long> successes)
    : DoFn<byte[], bool>
{
    public override void ProcessElement(byte[] element, ProcessContext<bool> context)
    {
        var failed = context.SideInput(failures);
        var total = failed + context.SideInput(successes);
        if (failed > threshold * total)
            throw new InvalidOperationException($"{failed} of {total} outputs of '{transform}' are failures, more than the part of {threshold} that may be.");
    }
}
