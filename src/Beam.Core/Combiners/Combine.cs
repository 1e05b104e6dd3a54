using Beam.Coders;
using Beam.Coders.Standard;
using Beam.Translation;

namespace Beam;

/// <summary>Many values as one: all of a collection, or all of a key. Runners combine before they group.</summary>
public static class CombineExtensions
{
    /// <summary>Combines all elements, window by window.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">How values become one.</param>
    /// <param name="withoutDefaults">
    /// Whether an empty collection gives no element instead of the result of no inputs. It must be true in windows other than the global
    /// one, which nobody can list: empty ones give no element.
    /// </param>
    /// <param name="name">The transform's name.</param>
    /// <exception cref="PipelineConstructionException">There would be a default for windows that nobody can list.</exception>
    public static PCollection<TOutput> CombineGlobally<TInput, TAccumulator, TOutput>(
        this PCollection<TInput> input, CombineFn<TInput, TAccumulator, TOutput> fn, bool withoutDefaults = false, string? name = null) =>
        input.Apply(new CombineGlobally<TInput, TAccumulator, TOutput>(fn, withoutDefaults), name);

    /// <summary>Combines all elements by a function of some of them, which is applied to its own results again.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">An associative and commutative function of any number of values, none included unless <paramref name="withoutDefaults"/>.</param>
    /// <param name="withoutDefaults">Whether an empty collection gives no element.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<T> CombineGlobally<T>(
        this PCollection<T> input, Func<IEnumerable<T>, T> fn, bool withoutDefaults = false, string? name = null) =>
        input.CombineGlobally(new FunctionCombineFn<T>(fn), withoutDefaults, name);

    /// <summary>All elements as one value that functions see from the side. An empty window has the result of no inputs.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">How values become one.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollectionView<TOutput> CombineGloballyAsView<TInput, TAccumulator, TOutput>(
        this PCollection<TInput> input, CombineFn<TInput, TAccumulator, TOutput> fn, string? name = null)
    {
        var combined = input.CombineGlobally(fn, withoutDefaults: true, name);
        return fn is ICombineFnWithoutDefault ? combined.AsSingleton() : combined.AsSingleton(fn.ExtractOutput(fn.CreateAccumulator()));
    }

    /// <summary>Combines the values of each key, window by window.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">How values become one.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, TOutput>> CombinePerKey<TKey, TInput, TAccumulator, TOutput>(
        this PCollection<KV<TKey, TInput>> input, CombineFn<TInput, TAccumulator, TOutput> fn, string? name = null) =>
        input.Apply(new CombinePerKey<TKey, TInput, TAccumulator, TOutput>(fn), name);

    /// <summary>Combines the values of each key by a function of some of them, which is applied to its own results again.</summary>
    /// <param name="input">The collection.</param>
    /// <param name="fn">An associative and commutative function of one or more values.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, T>> CombinePerKey<TKey, T>(
        this PCollection<KV<TKey, T>> input, Func<IEnumerable<T>, T> fn, string? name = null) =>
        input.CombinePerKey(new FunctionCombineFn<T>(fn), name);

    /// <summary>Combines the values of groups that exist.</summary>
    /// <param name="input">The result of a <c>GroupByKey</c>.</param>
    /// <param name="fn">How values become one.</param>
    /// <param name="name">The transform's name.</param>
    public static PCollection<KV<TKey, TOutput>> CombineGroupedValues<TKey, TInput, TAccumulator, TOutput>(
        this PCollection<KV<TKey, IEnumerable<TInput>>> input, CombineFn<TInput, TAccumulator, TOutput> fn, string? name = null) =>
        input.Apply(new CombineGroupedValues<TKey, TInput, TAccumulator, TOutput>(fn, null), name);
}

/// <summary>A composite that runners know: they combine what they have of a key before they send it.</summary>
internal sealed class CombinePerKey<TKey, TInput, TAccumulator, TOutput>(CombineFn<TInput, TAccumulator, TOutput> fn)
    : PTransform<PCollection<KV<TKey, TInput>>, PCollection<KV<TKey, TOutput>>>
{
    public override string Name => $"CombinePerKey({CombineTranslation.NameOf(fn)})";

    private protected override void Describe(PCollection<KV<TKey, TInput>> input, TransformNode node) =>
        node.SetSpec("beam:transform:combine_per_key:v1", CombineTranslation.Payload(node, fn, input.ValueCoder()), runsInSdk: true);

    public override PCollection<KV<TKey, TOutput>> Expand(PCollection<KV<TKey, TInput>> input) => input
        .GroupByKey()
        .Apply(new CombineGroupedValues<TKey, TInput, TAccumulator, TOutput>(fn, input.ValueCoder()));
}

/// <summary>The primitive that combines the values of each group.</summary>
internal sealed class CombineGroupedValues<TKey, TInput, TAccumulator, TOutput>(CombineFn<TInput, TAccumulator, TOutput> fn, Coder<TInput>? valueCoder)
    : PTransform<PCollection<KV<TKey, IEnumerable<TInput>>>, PCollection<KV<TKey, TOutput>>>
{
    private protected override void Describe(PCollection<KV<TKey, IEnumerable<TInput>>> input, TransformNode node) =>
        node.SetSpec("beam:transform:combine_grouped_values:v1", CombineTranslation.Payload(node, fn, valueCoder), runsInSdk: true);

    public override PCollection<KV<TKey, TOutput>> Expand(PCollection<KV<TKey, IEnumerable<TInput>>> input)
    {
        var node = input.Pipeline.Graph.Current;
        var outputCoder = valueCoder as Coder<TOutput> ?? node.Graph.CoderFor<TOutput>(node.FullName);
        return node.AddOutput("out", input.Windowing, input.IsBounded, new KvCoder<TKey, TOutput>(input.KeyCoder(), outputCoder));
    }
}

/// <summary>All elements under one key, and what an empty collection gives.</summary>
internal sealed class CombineGlobally<TInput, TAccumulator, TOutput>(CombineFn<TInput, TAccumulator, TOutput> fn, bool withoutDefaults)
    : PTransform<PCollection<TInput>, PCollection<TOutput>>
{
    public override string Name => $"CombineGlobally({CombineTranslation.NameOf(fn)})";

    private protected override void Describe(PCollection<TInput> input, TransformNode node) =>
        node.SetSpec("beam:transform:combine_globally:v1", CombineTranslation.Payload(node, fn, input.Coder), runsInSdk: true);

    public override PCollection<TOutput> Expand(PCollection<TInput> input)
    {
        if (!withoutDefaults && fn is not ICombineFnWithoutDefault && input.Windowing.WindowFn is not GlobalWindows)
        {
            throw new PipelineConstructionException(
                $"'{input.Pipeline.Graph.Current.FullName}' combines globally in {input.Windowing.WindowFn.GetType().Name} and should output a default for " +
                "empty windows, which nobody can list. Pass withoutDefaults: true, or use CombineGloballyAsView.");
        }

        var combined = input
            .Apply(
                new ParDoTransform<TInput, KV<bool, TInput>>(
                    new MapFn<TInput, KV<bool, TInput>>(static value => KV.Of(true, value)), new KvCoder<bool, TInput>(BoolCoder.Instance, input.Coder)),
                "OneKey")
            .CombinePerKey(fn, "CombinePerKey")
            .Values();
        if (withoutDefaults || fn is ICombineFnWithoutDefault) return combined;
        return combined.Flatten(input.Pipeline.Impulse().Apply(
            new ParDoTransform<byte[], TOutput>(new DefaultIfEmptyFn<TInput, TAccumulator, TOutput>(fn, combined.AsIterable()), combined.Coder), "DefaultIfEmpty"));
    }
}

/// <summary>Outputs the result of no inputs if there is no other.</summary>
internal sealed class DefaultIfEmptyFn<TInput, TAccumulator, TOutput>(
    CombineFn<TInput, TAccumulator, TOutput> fn, PCollectionView<IEnumerable<TOutput>> combined) : DoFn<byte[], TOutput>
{
    public override void ProcessElement(byte[] element, ProcessContext<TOutput> context)
    {
        if (!context.SideInput(combined).Any()) context.Output(fn.ExtractOutput(fn.CreateAccumulator()));
    }
}

/// <summary>Combines by a function of several values.</summary>
internal sealed class FunctionCombineFn<T>(Func<IEnumerable<T>, T> fn) : CombineFn<T, List<T>, T>, INamedFn
{
    // Enough to make calls rare, little enough to hold for many keys.
    private const int MaxHeld = 256;

    public string Name => FunctionNames.Of("Combine", fn) is var name && name == "Combine" ? "Function" : name["Combine(".Length..^1];

    public override List<T> CreateAccumulator() => [];

    public override List<T> AddInput(List<T> accumulator, T input)
    {
        accumulator.Add(input);
        return accumulator.Count < MaxHeld ? accumulator : Compact(accumulator);
    }

    public override List<T> MergeAccumulators(IEnumerable<List<T>> accumulators)
    {
        var merged = new List<T>();
        foreach (var accumulator in accumulators)
        {
            merged.AddRange(accumulator);
            if (merged.Count >= MaxHeld) merged = Compact(merged);
        }

        return merged;
    }

    public override T ExtractOutput(List<T> accumulator) => fn(accumulator);

    public override List<T> Compact(List<T> accumulator) => accumulator.Count <= 1 ? accumulator : [fn(accumulator)];
}
