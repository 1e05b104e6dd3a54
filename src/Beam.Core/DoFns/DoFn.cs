namespace Beam;

/// <summary>
/// A function over the elements of a <see cref="PCollection{T}"/>: it receives one element at a time and outputs any number.
/// </summary>
/// <remarks>
/// Instances travel to the workers: every field must be serializable (primitives, strings, collections, records, delegates, tags and
/// views) or be marked <see cref="TransientAttribute"/> and filled in <see cref="Setup"/>. A runner may use one instance for many
/// bundles, one after another, never for two at once; it may process any bundle more than once.
/// </remarks>
/// <typeparam name="TInput">The element type of the input.</typeparam>
/// <typeparam name="TOutput">The element type of the main output.</typeparam>
public abstract class DoFn<TInput, TOutput>
{
    /// <summary>Called once for an instance, before its first bundle. Open connections and load models here.</summary>
    public virtual void Setup(SetupContext context) { }

    /// <summary>Called before the first element of each bundle.</summary>
    public virtual void StartBundle() { }

    /// <summary>Called for each element (and, where an element is in several windows, once for each of them).</summary>
    public abstract void ProcessElement(TInput element, ProcessContext<TOutput> context);

    /// <summary>Called after the last element of each bundle; outputs name their own timestamp and window.</summary>
    public virtual void FinishBundle(FinishBundleContext<TOutput> context) { }

    /// <summary>Called once when an instance is no longer needed. Not called when a worker is killed.</summary>
    public virtual void Teardown() { }

    /// <summary>
    /// Whether <see cref="ProcessElement"/> looks at the window or at side inputs. Where it does not, an element in several windows is
    /// processed once for all of them.
    /// </summary>
    protected internal virtual bool ObservesWindow => true;
}
