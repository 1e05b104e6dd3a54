using Beam.Coders;
using Beam.Coders.Collections;
using Beam.Coders.Standard;

namespace Beam;

/// <summary>All values of each key.</summary>
public static class GroupByKeyExtensions
{
    /// <summary>
    /// Groups the values of each key, window by window. Values come in any order; the result may be read more than once and may be larger
    /// than memory.
    /// </summary>
    /// <exception cref="PipelineConstructionException">
    /// The keys' coder is not deterministic, so that equal keys need not have equal bytes; or the collection is unbounded and in the global
    /// window, which never ends.
    /// </exception>
    public static PCollection<KV<TKey, IEnumerable<TValue>>> GroupByKey<TKey, TValue>(
        this PCollection<KV<TKey, TValue>> input, string? name = null) =>
        input.Apply(new GroupByKey<TKey, TValue>(), name);
}

/// <summary>The primitive that groups.</summary>
internal sealed class GroupByKey<TKey, TValue> : PTransform<PCollection<KV<TKey, TValue>>, PCollection<KV<TKey, IEnumerable<TValue>>>>
{
    private protected override void Describe(PCollection<KV<TKey, TValue>> input, TransformNode node) =>
        node.SetSpec("beam:transform:group_by_key:v1");

    public override PCollection<KV<TKey, IEnumerable<TValue>>> Expand(PCollection<KV<TKey, TValue>> input)
    {
        var node = input.Pipeline.Graph.Current;
        var key = input.KeyCoder();
        if (!key.IsDeterministic)
        {
            throw new PipelineConstructionException(
                $"'{node.FullName}' groups by {typeof(TKey).Name}, whose coder {key} is not deterministic: equal keys may have different bytes. " +
                (typeof(TKey) == typeof(double) || typeof(TKey) == typeof(float)
                    ? "Round the keys to long, or make decimal strings of them."
                    : "Group by something else, or register a deterministic coder for the type."));
        }

        if (!input.IsBounded && input.Windowing is { WindowFn: GlobalWindows, FiresPerElement: false })
        {
            throw new PipelineConstructionException(
                $"'{node.FullName}' groups the unbounded collection '{input.Id}' in the global window, which never ends. " +
                "Put it into other windows first (WindowInto).");
        }

        return node.AddOutput(
            "out", input.Windowing.AfterGrouping(), input.IsBounded, new KvCoder<TKey, IEnumerable<TValue>>(key, new StateBackedIterableCoder<TValue>(input.ValueCoder())));
    }
}
