using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Beam;

/// <summary>What a function sees of the element it processes.</summary>
public abstract class ElementContext
{
    private protected ElementContext() { }

    /// <summary>The element's event time.</summary>
    public abstract Timestamp Timestamp { get; }

    /// <summary>The element's window.</summary>
    public abstract BoundedWindow Window { get; }

    /// <summary>Which firing of its window the element belongs to.</summary>
    public abstract PaneInfo Pane { get; }

    /// <summary>The content of a side input for this element's window.</summary>
    /// <exception cref="InvalidOperationException">A singleton view without a default is empty or has several elements.</exception>
    public abstract T SideInput<T>(PCollectionView<T> view);
}

/// <summary>What a function sees of the element it processes, and where it outputs to.</summary>
/// <typeparam name="TOutput">The element type of the main output.</typeparam>
public abstract class ProcessContext<TOutput> : ElementContext
{
    /// <summary>Adds a value to the main output, with the element's timestamp, window and pane.</summary>
    public abstract void Output(TOutput value);

    /// <summary>Adds a value to the main output, with a timestamp of its own.</summary>
    public abstract void Output(TOutput value, Timestamp timestamp);

    /// <summary>Adds a value to a tagged output, which the transform must have declared.</summary>
    /// <exception cref="InvalidOperationException">The transform declared no such output.</exception>
    public abstract void Output<T>(OutputTag<T> tag, T value);

    /// <summary>Adds a value to a tagged output, with a timestamp of its own.</summary>
    /// <exception cref="InvalidOperationException">The transform declared no such output.</exception>
    public abstract void Output<T>(OutputTag<T> tag, T value, Timestamp timestamp);
}

/// <summary>Where <see cref="DoFn{TInput,TOutput}.FinishBundle"/> outputs to.</summary>
/// <typeparam name="TOutput">The element type of the main output.</typeparam>
public abstract class FinishBundleContext<TOutput>
{
    /// <summary>Adds a value to the main output.</summary>
    public abstract void Output(TOutput value, Timestamp timestamp, BoundedWindow window);

    /// <summary>Adds a value to a tagged output, which the transform must have declared.</summary>
    public abstract void Output<T>(OutputTag<T> tag, T value, Timestamp timestamp, BoundedWindow window);
}

/// <summary>What a function sees of the worker it is set up in.</summary>
public abstract class SetupContext
{
    /// <summary>The options that the pipeline was run with.</summary>
    public abstract PipelineOptions Options { get; }

    /// <summary>The worker's id, unique within the job.</summary>
    public abstract string WorkerId { get; }

    /// <summary>A folder of this job on this machine, shared by the job's workers here and deleted when the job ends.</summary>
    public abstract string WorkDirectory { get; }

    /// <summary>Makes loggers whose entries reach the runner, marked with the bundle and the transform that were running; elsewhere they go nowhere.</summary>
    public virtual ILoggerFactory LoggerFactory => NullLoggerFactory.Instance;

    /// <summary>
    /// The one object that all functions of this worker process share under a key. It is made at the first call and disposed
    /// (<see cref="IAsyncDisposable"/> or <see cref="IDisposable"/>) when the worker ends.
    /// </summary>
    public abstract T GetShared<T>(string key, Func<T> create) where T : class;
}
