using Beam.Coders;
using Beam.Coders.Collections;
using Beam.Coders.Standard;

namespace Beam;

/// <summary>The values of a key in two collections.</summary>
/// <param name="First">Those of the first; may be empty.</param>
/// <param name="Second">Those of the second; may be empty.</param>
/// <typeparam name="T1">The values of the first collection.</typeparam>
/// <typeparam name="T2">The values of the second collection.</typeparam>
public sealed record CoGroup<T1, T2>(IEnumerable<T1> First, IEnumerable<T2> Second);

/// <summary>The values of a key in three collections.</summary>
/// <param name="First">Those of the first; may be empty.</param>
/// <param name="Second">Those of the second; may be empty.</param>
/// <param name="Third">Those of the third; may be empty.</param>
/// <typeparam name="T1">The values of the first collection.</typeparam>
/// <typeparam name="T2">The values of the second collection.</typeparam>
/// <typeparam name="T3">The values of the third collection.</typeparam>
public sealed record CoGroup<T1, T2, T3>(IEnumerable<T1> First, IEnumerable<T2> Second, IEnumerable<T3> Third);

/// <summary>Joins: the values of each key in several collections.</summary>
public static class CoGroupByKeyExtensions
{
    /// <summary>Groups the values of two collections by key, window by window. A key of either is in the result.</summary>
    public static PCollection<KV<TKey, CoGroup<T1, T2>>> CoGroupByKey<TKey, T1, T2>(
        this PCollection<KV<TKey, T1>> first, PCollection<KV<TKey, T2>> second, string? name = null)
    {
        var (tag1, tag2) = (new CoGroupTag<T1>("0"), new CoGroupTag<T2>("1"));
        var inputs = KeyedCollections.Of(tag1, first).And(tag2, second);
        var coder = new KvCoder<TKey, CoGroup<T1, T2>>(first.KeyCoder(), new CoGroupCoder<T1, T2>(first.ValueCoder(), second.ValueCoder()));
        return inputs.Pipeline.ApplyTransform(
            new FunctionTransform<KeyedCollections<TKey>, PCollection<KV<TKey, CoGroup<T1, T2>>>>("CoGroupByKey", all => all.CoGroup().Apply(
                new ParDoTransform<KV<TKey, CoGroupResult>, KV<TKey, CoGroup<T1, T2>>>(
                    new MapValuesFn<TKey, CoGroupResult, CoGroup<T1, T2>>(r => new(r.GetAll(tag1), r.GetAll(tag2))), coder),
                "Results")),
            inputs, name);
    }

    /// <summary>Groups the values of three collections by key, window by window. A key of any is in the result.</summary>
    public static PCollection<KV<TKey, CoGroup<T1, T2, T3>>> CoGroupByKey<TKey, T1, T2, T3>(
        this PCollection<KV<TKey, T1>> first, PCollection<KV<TKey, T2>> second, PCollection<KV<TKey, T3>> third, string? name = null)
    {
        var (tag1, tag2, tag3) = (new CoGroupTag<T1>("0"), new CoGroupTag<T2>("1"), new CoGroupTag<T3>("2"));
        var inputs = KeyedCollections.Of(tag1, first).And(tag2, second).And(tag3, third);
        var coder = new KvCoder<TKey, CoGroup<T1, T2, T3>>(
            first.KeyCoder(), new CoGroupCoder<T1, T2, T3>(first.ValueCoder(), second.ValueCoder(), third.ValueCoder()));
        return inputs.Pipeline.ApplyTransform(
            new FunctionTransform<KeyedCollections<TKey>, PCollection<KV<TKey, CoGroup<T1, T2, T3>>>>("CoGroupByKey", all => all.CoGroup().Apply(
                new ParDoTransform<KV<TKey, CoGroupResult>, KV<TKey, CoGroup<T1, T2, T3>>>(
                    new MapValuesFn<TKey, CoGroupResult, CoGroup<T1, T2, T3>>(r => new(r.GetAll(tag1), r.GetAll(tag2), r.GetAll(tag3))), coder),
                "Results")),
            inputs, name);
    }

    /// <summary>Groups the values of any number of collections by key, window by window.</summary>
    /// <example><c>KeyedCollections.Of(people, a).And(sales, b).And(visits, c).CoGroupByKey()</c></example>
    public static PCollection<KV<TKey, CoGroupResult>> CoGroupByKey<TKey>(this KeyedCollections<TKey> inputs, string? name = null) =>
        inputs.Pipeline.ApplyTransform(
            new FunctionTransform<KeyedCollections<TKey>, PCollection<KV<TKey, CoGroupResult>>>("CoGroupByKey", static all => all.CoGroup()), inputs, name);

    private static PCollection<KV<TKey, CoGroupResult>> CoGroup<TKey>(this KeyedCollections<TKey> inputs)
    {
        var schema = inputs.Schema;
        var union = new KvCoder<TKey, UnionValue>(inputs.KeyCoder, new UnionCoder(schema.Coders));
        return new PCollectionList<KV<TKey, UnionValue>>(inputs.ToUnions(union)).Flatten()
            .GroupByKey()
            .Apply(
                new ParDoTransform<KV<TKey, IEnumerable<UnionValue>>, KV<TKey, CoGroupResult>>(
                    new SeparateFn<TKey>(schema.Tags), new KvCoder<TKey, CoGroupResult>(inputs.KeyCoder, new CoGroupResultCoder(schema.Tags, schema.Coders))),
                "Separate");
    }
}

/// <summary>Puts the values of a key apart again.</summary>
internal sealed class SeparateFn<TKey>(string[] tags) : DoFn<KV<TKey, IEnumerable<UnionValue>>, KV<TKey, CoGroupResult>>
{
    protected internal override bool ObservesWindow => false;

    public override void ProcessElement(KV<TKey, IEnumerable<UnionValue>> element, ProcessContext<KV<TKey, CoGroupResult>> context)
    {
        List<object?>[] values = [.. tags.Select(_ => new List<object?>())];
        foreach (var value in element.Value) values[value.Tag].Add(value.Value);
        context.Output(new(element.Key, new CoGroupResult(tags, values)));
    }
}

/// <summary>Two iterables, one after the other.</summary>
internal sealed class CoGroupCoder<T1, T2>(Coder<T1> first, Coder<T2> second) : Coder<CoGroup<T1, T2>>
{
    private readonly Coder<IEnumerable<T1>> first = new StateBackedIterableCoder<T1>(first);
    private readonly Coder<IEnumerable<T2>> second = new StateBackedIterableCoder<T2>(second);

    public override IReadOnlyList<Coder> Components => [first, second];

    public override void Encode(CoGroup<T1, T2> value, CoderWriter writer, bool nested)
    {
        first.Encode(value.First, writer, nested: true);
        second.Encode(value.Second, writer, nested: true);
    }

    public override CoGroup<T1, T2> Decode(ref CoderReader reader, bool nested) =>
        new(first.Decode(ref reader, nested: true), second.Decode(ref reader, nested: true));
}

/// <summary>Three iterables, one after the other.</summary>
internal sealed class CoGroupCoder<T1, T2, T3>(Coder<T1> first, Coder<T2> second, Coder<T3> third) : Coder<CoGroup<T1, T2, T3>>
{
    private readonly Coder<IEnumerable<T1>> first = new StateBackedIterableCoder<T1>(first);
    private readonly Coder<IEnumerable<T2>> second = new StateBackedIterableCoder<T2>(second);
    private readonly Coder<IEnumerable<T3>> third = new StateBackedIterableCoder<T3>(third);

    public override IReadOnlyList<Coder> Components => [first, second, third];

    public override void Encode(CoGroup<T1, T2, T3> value, CoderWriter writer, bool nested)
    {
        first.Encode(value.First, writer, nested: true);
        second.Encode(value.Second, writer, nested: true);
        third.Encode(value.Third, writer, nested: true);
    }

    public override CoGroup<T1, T2, T3> Decode(ref CoderReader reader, bool nested) =>
        new(first.Decode(ref reader, nested: true), second.Decode(ref reader, nested: true), third.Decode(ref reader, nested: true));
}
