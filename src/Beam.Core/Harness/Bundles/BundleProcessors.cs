namespace Beam.Harness;

/// <summary>Processors that wait for their next bundle. A processor is lent to one bundle at a time, and only those that succeeded come back.</summary>
internal sealed class BundleProcessors(HarnessServices services)
{
    private const int MaxIdlePerPlan = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<BundlePlan, Stack<BundleProcessor>> _idle = [];
    private bool _stopped;

    /// <summary>A processor that is set up.</summary>
    /// <exception cref="TransformFailure">A function could not be set up.</exception>
    public BundleProcessor Rent(BundlePlan plan)
    {
        lock (_lock)
        {
            if (_idle.TryGetValue(plan, out var idle) && idle.TryPop(out var ready)) return ready;
        }

        var processor = new BundleProcessor(plan, services);
        try
        {
            processor.Setup();
            return processor;
        }
        catch (Exception e)
        {
            var failure = new TransformFailure(processor.CurrentTransformName ?? "?", e);
            processor.Teardown([]); // the first failure is the one to report
            throw failure;
        }
    }

    /// <summary>Takes back a processor whose bundle succeeded.</summary>
    public void Return(BundleProcessor processor, ICollection<Exception> errors)
    {
        lock (_lock)
        {
            if (!_idle.TryGetValue(processor.Plan, out var idle)) _idle.Add(processor.Plan, idle = new Stack<BundleProcessor>());
            if (!_stopped && idle.Count < MaxIdlePerPlan)
            {
                idle.Push(processor);
                return;
            }
        }

        processor.Teardown(errors);
    }

    /// <summary>Tears all waiting processors down, and from now on each one when it comes back.</summary>
    public void Stop(ICollection<Exception> errors)
    {
        BundleProcessor[] idle;
        lock (_lock)
        {
            _stopped = true;
            idle = [.. _idle.Values.SelectMany(i => i)];
            _idle.Clear();
        }

        foreach (var processor in idle) processor.Teardown(errors);
    }
}
