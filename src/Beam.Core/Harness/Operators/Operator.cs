using Beam.Metrics;

namespace Beam.Harness;

/// <summary>
/// One transform of a bundle processor. Everything here runs on the thread of the bundle; nobody but that thread enters an operator.
/// </summary>
internal abstract class Operator(OperatorContext context)
{
    protected OperatorContext Context { get; } = context;

    public string TransformId => Context.TransformId;

    /// <summary>The name that the user knows.</summary>
    public string Name => Context.Transform.UniqueName;

    /// <summary>Which user metrics its functions reported in this bundle; null where no function of the user's runs.</summary>
    public virtual MetricsContainer? Metrics => null;

    /// <summary>Called once, before the first bundle.</summary>
    public virtual void Setup() { }

    /// <summary>Called before each bundle, consumers first.</summary>
    public virtual void StartBundle(BundleContext bundle) { }

    /// <summary>Called after the last element, producers first.</summary>
    public virtual void FinishBundle() { }

    /// <summary>Called instead of <see cref="FinishBundle"/> when the bundle failed: nothing that it started goes on after this.</summary>
    public virtual void Abandon() { }

    /// <summary>Called once, when no further bundle comes.</summary>
    public virtual void Teardown() { }
}

/// <summary>An operator that takes elements.</summary>
internal abstract class Receiver<T>(OperatorContext context) : Operator(context)
{
    /// <summary>Takes one element. It is borrowed: a receiver that keeps it copies the struct.</summary>
    public abstract void Receive(in WindowedValue<T> element);
}
