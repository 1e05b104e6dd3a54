using Beam.Translation;

namespace Beam;

/// <summary>Asynchronous functions of elements, many of which are in flight at a time.</summary>
public static class MapAsyncExtensions
{
    /// <summary>How many elements of a bundle are in flight unless the caller says otherwise.</summary>
    private const int DefaultConcurrency = 64;

    /// <summary>Applies an asynchronous function to every element. Outputs come as they finish, in any order.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="maxConcurrency">How many elements of one bundle may be in flight at a time; at least 1.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<TOutput> MapAsync<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, CancellationToken, Task<TOutput>> fn, int maxConcurrency = DefaultConcurrency, string? name = null) =>
        input.ParallelDo(new MapAsyncFn<TInput, TOutput>(fn, Check(maxConcurrency)), name);

    /// <summary>Applies an asynchronous function to every element; one for which it throws goes to the failures.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="handling">Which exceptions count as failed elements, and how many may.</param>
    /// <param name="maxConcurrency">How many elements of one bundle may be in flight at a time; at least 1.</param>
    /// <param name="name">The transform's name.</param>
    public static WithFailures<TOutput, TInput> MapAsync<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, CancellationToken, Task<TOutput>> fn, ExceptionHandling handling,
        int maxConcurrency = DefaultConcurrency, string? name = null) =>
        input.ParallelDo(new MapAsyncFn<TInput, TOutput>(fn, Check(maxConcurrency)), handling, name);

    /// <summary>Outputs all that an asynchronous function yields for each element.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="maxConcurrency">How many elements of one bundle may be in flight at a time; at least 1.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<TOutput> FlatMapAsync<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, CancellationToken, IAsyncEnumerable<TOutput>> fn, int maxConcurrency = DefaultConcurrency,
        string? name = null) =>
        input.ParallelDo(new FlatMapAsyncFn<TInput, TOutput>(fn, Check(maxConcurrency)), name);

    /// <summary>Outputs all that an asynchronous function yields; an element for which it throws goes, whole, to the failures.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">The function.</param>
    /// <param name="handling">Which exceptions count as failed elements, and how many may.</param>
    /// <param name="maxConcurrency">How many elements of one bundle may be in flight at a time; at least 1.</param>
    /// <param name="name">The transform's name.</param>
    public static WithFailures<TOutput, TInput> FlatMapAsync<TInput, TOutput>(
        this PCollection<TInput> input, Func<TInput, CancellationToken, IAsyncEnumerable<TOutput>> fn, ExceptionHandling handling,
        int maxConcurrency = DefaultConcurrency, string? name = null) =>
        input.ParallelDo(new FlatMapAsyncFn<TInput, TOutput>(fn, Check(maxConcurrency)), handling, name);

    private static int Check(int maxConcurrency) => maxConcurrency >= 1
        ? maxConcurrency
        : throw new PipelineConstructionException($"maxConcurrency is {maxConcurrency}; at least one element must be in flight.");
}

/// <summary>An asynchronous function of an element.</summary>
internal sealed class MapAsyncFn<TInput, TOutput>(Func<TInput, CancellationToken, Task<TOutput>> fn, int maxConcurrency)
    : AsyncDoFn<TInput, TOutput>, INamedFn
{
    public string Name => FunctionNames.Of("MapAsync", fn);

    public override int MaxConcurrency => maxConcurrency;

    public override async Task ProcessElementAsync(TInput element, ProcessContext<TOutput> context, CancellationToken cancellationToken) =>
        context.Output(await fn(element, cancellationToken));
}

/// <summary>An asynchronous function of an element that gives several.</summary>
internal sealed class FlatMapAsyncFn<TInput, TOutput>(Func<TInput, CancellationToken, IAsyncEnumerable<TOutput>> fn, int maxConcurrency)
    : AsyncDoFn<TInput, TOutput>, INamedFn
{
    public string Name => FunctionNames.Of("FlatMapAsync", fn);

    public override int MaxConcurrency => maxConcurrency;

    public override async Task ProcessElementAsync(TInput element, ProcessContext<TOutput> context, CancellationToken cancellationToken)
    {
        await foreach (var output in fn(element, cancellationToken).WithCancellation(cancellationToken)) context.Output(output);
    }
}
