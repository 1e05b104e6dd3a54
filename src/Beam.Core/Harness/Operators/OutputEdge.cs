using System.Runtime.CompilerServices;

namespace Beam.Harness;

/// <summary>A collection within a processor: what its producers emit reaches its consumers at once.</summary>
internal abstract class OutputEdge(string collectionId, string coderId)
{
    public string CollectionId => collectionId;

    public string CoderId => coderId;

    public abstract Type ElementType { get; }

    /// <summary>How many elements the current bundle has put in.</summary>
    public abstract long Count { get; }

    /// <summary>Sizes of encoded elements, where they are known because the elements cross the wire; null elsewhere.</summary>
    public SizeSampler? Sizes { get; set; }

    public abstract void Connect(Operator consumer, DescriptorCoders coders);

    public abstract void Reset();

    /// <summary>Emits a value of a type that may not be the edge's: of a tagged output, which only a call makes known.</summary>
    public abstract void EmitAs<T>(in WindowedValue<T> element, DescriptorCoders coders);
}

/// <summary>A collection of <typeparamref name="T"/> within a processor.</summary>
internal sealed class OutputEdge<T>(string collectionId, string coderId) : OutputEdge(collectionId, coderId)
{
    private Receiver<T>? _first;
    private Receiver<T>[] _rest = [];
    private long _count;

    public override Type ElementType => typeof(T);

    public override long Count => Volatile.Read(ref _count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Emit(in WindowedValue<T> element)
    {
        _count++;
        var first = _first;
        if (first is null) return; // nobody reads this output
        first.Receive(in element);
        if (_rest.Length != 0) EmitToRest(in element);
    }

    private void EmitToRest(in WindowedValue<T> element)
    {
        foreach (var receiver in _rest) receiver.Receive(in element);
    }

    public override void Connect(Operator consumer, DescriptorCoders coders)
    {
        var receiver = consumer as Receiver<T> ?? Transcoder.To<T>(consumer, CoderId, coders);
        if (_first is null) _first = receiver;
        else _rest = [.. _rest, receiver];
    }

    public override void Reset() => _count = 0;

    public override void EmitAs<TOther>(in WindowedValue<TOther> element, DescriptorCoders coders)
    {
        if (typeof(TOther) == typeof(T))
        {
            Emit(in Unsafe.As<WindowedValue<TOther>, WindowedValue<T>>(ref Unsafe.AsRef(in element)));
            return;
        }

        var bytes = coders.Get<TOther>(CoderId).ToBytes(element.Value, nested: true);
        Emit(element.With(coders.Get<T>(CoderId).FromBytes(bytes, nested: true)));
    }
}

/// <summary>Between two transforms that see one collection as different types: through its coder, as if the elements had travelled.</summary>
internal static class Transcoder
{
    public static Receiver<TFrom> To<TFrom>(Operator consumer, string coderId, DescriptorCoders coders)
    {
        for (var type = consumer.GetType(); type is not null; type = type.BaseType)
        {
            if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Receiver<>))
            {
                return (Receiver<TFrom>)Generics.Create(
                    typeof(Transcoder<,>), [typeof(TFrom), type.GetGenericArguments()[0]], consumer, coderId, coders);
            }
        }

        throw new InvalidOperationException($"'{consumer.Name}' takes no elements.");
    }
}

/// <summary>Passes elements on as another type with the same encoding.</summary>
internal sealed class Transcoder<TFrom, TTo>(Receiver<TTo> consumer, string coderId, DescriptorCoders coders) : Receiver<TFrom>(null!)
{
    private readonly Coders.Coder<TFrom> _from = coders.Get<TFrom>(coderId);
    private readonly Coders.Coder<TTo> _to = coders.Get<TTo>(coderId);

    public override void Receive(in WindowedValue<TFrom> element) =>
        consumer.Receive(element.With(_to.FromBytes(_from.ToBytes(element.Value, nested: true), nested: true)));
}
