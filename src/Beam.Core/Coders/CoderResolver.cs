using Beam.Coders.Collections;
using Beam.Coders.Composite;
using Beam.Coders.Standard;
using Beam.Coders.Windows;
using Beam.Model;
using Beam.Schemas;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Proto = Beam.Model.Pipeline;

namespace Beam.Coders;

/// <summary>Makes the coder that a proto describes, for the .NET type that is wanted of it or the one that is natural to it.</summary>
internal sealed class CoderResolver
{
    private const int MaxDepth = 64;

    private readonly MapField<string, Proto.Coder> _coders;
    private readonly ICoderPayloadSerializer? _serializer;
    private int _depth;

    internal CoderResolver(MapField<string, Proto.Coder> coders, ICoderPayloadSerializer? serializer)
    {
        _coders = coders;
        _serializer = serializer;
    }

    internal Coder Resolve(string id, Type? hint)
    {
        if (hint == typeof(object)) hint = null;
        if (!_coders.TryGetValue(id, out var proto)) throw new CoderNotFoundException($"There is no coder '{id}' in the components.");
        if (++_depth > MaxDepth) throw new CoderNotFoundException($"The coder '{id}' is nested more than {MaxDepth} deep, or contains itself.");
        var urn = proto.Spec?.Urn ?? "";
        Coder? coder;
        try
        {
            coder = Create(urn, new Parts(this, id, proto), proto.Spec?.Payload ?? ByteString.Empty, hint);
        }
        catch (Exception e) when (e is CoderException or InvalidProtocolBufferException or InvalidDataException)
        {
            throw new CoderNotFoundException($"The payload of the coder '{id}' ({urn}) is damaged: {e.Message}", e);
        }

        _depth--;
        if (coder is null || (hint is not null && coder.Type != hint))
        {
            throw new CoderNotFoundException(hint is null
                ? $"The coder '{id}' has a URN that is not known here: {urn}."
                : $"The coder '{id}' ({urn}) cannot produce {InferencePath.Name(hint)}.");
        }

        return coder;
    }

    private Coder? Create(string urn, Parts parts, ByteString payload, Type? hint) => urn switch
    {
        BeamUrns.Coders.Bytes => hint == typeof(ReadOnlyMemory<byte>) ? MemoryCoder.Instance : BytesCoder.Instance,
        BeamUrns.Coders.StringUtf8 => hint == typeof(Uri) ? UriCoder.Instance : StringUtf8Coder.Instance,
        BeamUrns.Coders.Bool => BoolCoder.Instance,
        BeamUrns.Coders.Varint => IntegerCoders.For<Varint64Format>(hint ?? typeof(long)),
        BeamUrns.Coders.Double => hint == typeof(float) ? SingleAsDoubleCoder.Instance : DoubleCoder.Instance,
        BeamUrns.Coders.Kv => Pair(parts, hint),
        CoderUrns.Tuple => Tuple(parts, hint),
        BeamUrns.Coders.Iterable => Iterable(parts, hint),
        BeamUrns.Coders.StateBackedIterable => StateBackedIterable(parts, hint),
        BeamUrns.Coders.Nullable => Nullable(parts, hint),
        BeamUrns.Coders.LengthPrefix => Over(typeof(LengthPrefixCoder<>), parts.Get(0, 1, hint)),
        BeamUrns.Coders.Row => RowCoderFactory.Create(
            SchemaTranslator.FromProto(Proto.Schema.Parser.ParseFrom(payload), _serializer), hint),
        BeamUrns.Coders.Schema => RowCoderFactory.Create(
            SchemaTranslator.FromProto(Proto.SchemaCoderPayload.Parser.ParseFrom(payload).Schema ?? new(), _serializer), hint),
        BeamUrns.Coders.ShardedKey => Over(typeof(ShardedKeyCoder<>), parts.Get(0, 1, Argument(hint, typeof(ShardedKey<>), 0))),
        BeamUrns.Coders.GlobalWindow => GlobalWindowCoder.Instance,
        BeamUrns.Coders.IntervalWindow => IntervalWindowCoder.Instance,
        BeamUrns.Coders.CustomWindow => CustomWindow(parts, hint),
        BeamUrns.Coders.WindowedValue => WindowedValue(typeof(WindowedValueCoder<>), parts, hint),
        BeamUrns.Coders.ParamWindowedValue => WindowedValue(typeof(ParamWindowedValueCoder<>), parts, hint, payload),
        BeamUrns.Coders.Timer => Timer(parts, hint),
        CoderUrns.DotNetField => Field(payload, hint),
        CoderUrns.DotNet => (_serializer ?? throw new CoderNotFoundException("A coder of the user's own is met where nothing can deserialize it."))
            .Deserialize(payload.ToByteArray()),
        _ => null,
    };

    private static Coder Over(Type openCoder, Coder component) => CoderFactory.Make(openCoder, [component.Type], component);

    private static Type? Argument(Type? hint, Type open, int index) =>
        hint is not null && hint.IsConstructedGenericType && hint.GetGenericTypeDefinition() == open ? hint.GenericTypeArguments[index] : null;

    private static Coder Pair(Parts parts, Type? hint)
    {
        if (hint is not null && TupleTypes.IsTuple(hint)) return Tuple(parts, hint);
        var open = Argument(hint, typeof(KeyValuePair<,>), 0) is not null ? typeof(KeyValuePair<,>) : typeof(KV<,>);
        var key = parts.Get(0, 2, Argument(hint, open, 0));
        var value = parts.Get(1, 2, Argument(hint, open, 1));
        return CoderFactory.Make(open == typeof(KV<,>) ? typeof(KvCoder<,>) : typeof(KeyValuePairCoder<,>), [key.Type, value.Type], key, value);
    }

    private static Coder Tuple(Parts parts, Type? hint)
    {
        var types = hint is not null && TupleTypes.IsTuple(hint) ? hint.GenericTypeArguments : null;
        var items = Enumerable.Range(0, parts.Count).Select(i => parts.Get(i, types?.Length ?? parts.Count, types?[i])).ToArray();
        return CoderFactory.Make(typeof(TupleCoder<>), [hint ?? TupleTypes.Of(Array.ConvertAll(items, item => item.Type))], [items]);
    }

    private static Coder? Iterable(Parts parts, Type? hint)
    {
        if (hint is not null && CollectionCoders.EntryTypes(hint) is var (key, value))
        {
            var pair = parts.Get(0, 1, typeof(KV<,>).MakeGenericType(key, value));
            // A pair of the user's own may hide behind the type; a map needs key and value one by one.
            return pair is { Urn: BeamUrns.Coders.Kv } ? CollectionCoders.CreateMap(hint, _ => pair.Components[0], _ => pair.Components[1]) : null;
        }

        return CollectionCoders.Create(hint ?? typeof(IEnumerable<>), type => parts.Get(0, 1, type));
    }

    // Only IEnumerable can be read on and on; other collections would have to fetch all of it at once, which is what ToList says.
    private static Coder StateBackedIterable(Parts parts, Type? hint) =>
        Over(typeof(StateBackedIterableCoder<>), parts.Get(0, 1, Argument(hint, typeof(IEnumerable<>), 0)));

    private static Coder Nullable(Parts parts, Type? hint) =>
        CoderFactory.Nullable(parts.Get(0, 1, hint is null ? null : System.Nullable.GetUnderlyingType(hint) ?? hint));

    private static Coder CustomWindow(Parts parts, Type? hint)
    {
        var window = parts.Get(0, 1, hint == typeof(EncodedWindow) ? null : hint);
        return typeof(BoundedWindow).IsAssignableFrom(window.Type) ? Over(typeof(CustomWindowCoder<>), window)
            : window is Coder<byte[]> bytes ? new EncodedWindowCoder(bytes)
            : throw new CoderNotFoundException($"The coder '{parts.Id}' is of a custom window, and {window} encodes none.");
    }

    private static Coder WindowedValue(Type openCoder, Parts parts, Type? hint, params ByteString[] payload)
    {
        var value = parts.Get(0, 2, Argument(hint, typeof(WindowedValue<>), 0));
        return CoderFactory.Make(openCoder, [value.Type], [value, parts.GetWindow(1, 2), .. payload]);
    }

    private static Coder Timer(Parts parts, Type? hint)
    {
        var key = parts.Get(0, 2, Argument(hint, typeof(Timer<>), 0));
        return CoderFactory.Make(typeof(TimerCoder<>), [key.Type], key, parts.GetWindow(1, 2));
    }

    private Coder Field(ByteString payload, Type? hint)
    {
        var type = SchemaTranslator.FromProto(Proto.FieldType.Parser.ParseFrom(payload), _serializer, depth: 0, "value");
        var value = FieldCoders.For(type, hint, "value");
        return CoderFactory.Make(typeof(FieldCoder<>), [value.Type], type, value);
    }

    /// <summary>The components of a coder.</summary>
    private readonly struct Parts(CoderResolver resolver, string id, Proto.Coder proto)
    {
        internal string Id => id;

        internal int Count => proto.ComponentCoderIds.Count;

        internal Coder Get(int index, int expected, Type? hint) => Count == expected
            ? resolver.Resolve(proto.ComponentCoderIds[index], hint)
            : throw new CoderNotFoundException($"The coder '{id}' ({proto.Spec.Urn}) has {Count} components, and {expected} are expected.");

        internal Coder GetWindow(int index, int expected)
        {
            var window = Get(index, expected, null);
            return typeof(BoundedWindow).IsAssignableFrom(window.Type)
                ? window
                : throw new CoderNotFoundException($"The coder '{id}' ({proto.Spec.Urn}) has {window} where a window's coder is expected.");
        }
    }
}
