namespace Beam;

/// <summary>
/// A <see cref="DoFn{TInput,TOutput}"/> whose work is asynchronous: up to <see cref="MaxConcurrency"/> elements of a bundle are in flight
/// at a time, and their outputs are emitted as they finish, in any order. The bundle ends when all have.
/// </summary>
/// <remarks>What holds for the fields and the life of a <see cref="DoFn{TInput,TOutput}"/> holds here too.</remarks>
/// <typeparam name="TInput">The element type of the input.</typeparam>
/// <typeparam name="TOutput">The element type of the main output.</typeparam>
public abstract class AsyncDoFn<TInput, TOutput>
{
    /// <summary>How many elements of one bundle may be in flight at a time; at least 1. Default 64.</summary>
    public virtual int MaxConcurrency => 64;

    /// <summary>Called once for an instance, before its first bundle.</summary>
    public virtual Task SetupAsync(SetupContext context, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Called before the first element of each bundle.</summary>
    public virtual Task StartBundleAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// Called for each element, without waiting for the one before. The context belongs to this element and may be used until the
    /// returned task ends, from one thread at a time.
    /// </summary>
    public abstract Task ProcessElementAsync(TInput element, ProcessContext<TOutput> context, CancellationToken cancellationToken);

    /// <summary>Called when every element of the bundle has finished.</summary>
    public virtual Task FinishBundleAsync(FinishBundleContext<TOutput> context, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Called once when an instance is no longer needed. Not called when a worker is killed.</summary>
    public virtual Task TeardownAsync() => Task.CompletedTask;
}
