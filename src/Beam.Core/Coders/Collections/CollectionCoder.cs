using Beam.Model;

namespace Beam.Coders.Collections;

/// <summary>A collection type of .NET as Beam's iterable.</summary>
internal abstract class CollectionCoder<TCollection, T> : Coder<TCollection>
    where TCollection : IEnumerable<T>
{
    private readonly Coder[] _components;

    private protected CollectionCoder(Coder<T> element)
    {
        Element = element;
        _components = [element];
    }

    protected Coder<T> Element { get; }

    public override IReadOnlyList<Coder> Components => _components;

    internal override string Urn => BeamUrns.Coders.Iterable;

    public override void Encode(TCollection value, CoderWriter writer, bool nested) => IterableFormat.Encode(value, Element, writer, this);
}

/// <summary>An array.</summary>
internal sealed class ArrayCoder<T>(Coder<T> element) : CollectionCoder<T[], T>(element)
{
    public override T[] Decode(ref CoderReader reader, bool nested) => IterableFormat.DecodeArray(ref reader, Element);
}

/// <summary>A <see cref="List{T}"/>, or an interface that one implements.</summary>
internal sealed class ListCoder<TList, T>(Coder<T> element) : CollectionCoder<TList, T>(element)
    where TList : IEnumerable<T>
{
    public override TList Decode(ref CoderReader reader, bool nested) => (TList)(object)IterableFormat.DecodeList(ref reader, Element);
}

/// <summary>A <see cref="HashSet{T}"/>, or an interface that one implements. Its order is nobody's business, so it is not deterministic.</summary>
internal sealed class SetCoder<TSet, T>(Coder<T> element) : CollectionCoder<TSet, T>(element)
    where TSet : IEnumerable<T>
{
    public override bool IsDeterministic => false;

    public override TSet Decode(ref CoderReader reader, bool nested)
    {
        var values = IterableFormat.DecodeList(ref reader, Element);
        var set = new HashSet<T>(values.Count);
        foreach (var value in values)
            if (!set.Add(value)) throw new CoderException($"A set holds an element twice, before byte {reader.Position}: {value}");
        return (TSet)(object)set;
    }
}
