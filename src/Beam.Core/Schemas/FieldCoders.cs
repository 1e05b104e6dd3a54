using Beam.Coders;
using Beam.Coders.Collections;
using Beam.Coders.Composite;
using Beam.Coders.Standard;

namespace Beam.Schemas;

/// <summary>Finds the coder of a field type as the .NET type that is wanted, or as its natural one.</summary>
internal static class FieldCoders
{
    /// <summary>The coder of values that are not null; a row says elsewhere which ones are.</summary>
    /// <param name="type">The field type.</param>
    /// <param name="hint">The .NET type that is wanted, never a <see cref="Nullable{T}"/>; null for the natural one.</param>
    /// <param name="path">Where the type is, for errors.</param>
    internal static Coder For(FieldType type, Type? hint, string path)
    {
        if (hint == typeof(object)) hint = null;
        var coder = type switch
        {
            AtomicFieldType atomic => Atomic(atomic.Type, hint),
            ArrayFieldType array => CollectionCoders.Create(hint ?? typeof(IReadOnlyList<>), e => Element(array.Element, e, path)),
            IterableFieldType iterable => CollectionCoders.Create(hint ?? typeof(IEnumerable<>), e => Element(iterable.Element, e, path)),
            MapFieldType map => CollectionCoders.CreateMap(
                hint ?? typeof(IReadOnlyDictionary<,>), k => Element(map.Key, k, path), v => Element(map.Value, v, path)),
            RowFieldType row => RowCoderFactory.Create(row.Schema, hint),
            LogicalFieldType logical => LogicalTypes.CoderFor(logical, hint) ?? For(logical.Representation, hint, path),
            CodedFieldType coded when hint is null || hint == coded.Coder.Type => LengthPrefixed(coded.Coder),
            _ => null,
        };
        return coder ?? throw new CoderNotFoundException($"The schema's field '{path}' of type {type} cannot be read as {hint}.");
    }

    /// <summary>The coder of values that may be null if the field type says so.</summary>
    internal static Coder Element(FieldType type, Type? hint, string path)
    {
        var core = For(type, hint is null ? null : Nullable.GetUnderlyingType(hint) ?? hint, path);
        if (!type.IsNullable && (hint is null || hint == core.Type)) return core;
        if (!type.IsNullable) throw new CoderNotFoundException($"The elements of the schema's field '{path}' are never null, and {hint} is wanted of them.");
        if (core.Type.IsValueType && hint == core.Type)
            throw new CoderNotFoundException($"The elements of the schema's field '{path}' may be null, and {hint} may not.");
        return CoderFactory.Nullable(core);
    }

    // The bytes of a registered coder are BYTES to those who do not know it.
    private static Coder LengthPrefixed(Coder coder) => CoderFactory.Make(typeof(LengthPrefixCoder<>), [coder.Type], coder);

    private static Coder? Atomic(AtomicType type, Type? hint) => type switch
    {
        AtomicType.Byte => IntegerCoders.For<Int8Format>(hint ?? typeof(sbyte)),
        AtomicType.Int16 => IntegerCoders.For<Int16Format>(hint ?? typeof(short)),
        AtomicType.Int32 => IntegerCoders.For<Varint32Format>(hint ?? typeof(int)),
        AtomicType.Int64 => IntegerCoders.For<Varint64Format>(hint ?? typeof(long)),
        AtomicType.Float => hint is null || hint == typeof(float) ? SingleCoder.Instance : null,
        AtomicType.Double => hint is null || hint == typeof(double) ? DoubleCoder.Instance : null,
        AtomicType.Boolean => hint is null || hint == typeof(bool) ? BoolCoder.Instance : null,
        AtomicType.String => hint is null || hint == typeof(string) ? StringUtf8Coder.Instance : hint == typeof(Uri) ? UriCoder.Instance : null,
        AtomicType.Bytes => hint is null || hint == typeof(byte[]) ? BytesCoder.Instance
            : hint == typeof(ReadOnlyMemory<byte>) ? MemoryCoder.Instance
            : null,
        _ => null,
    };
}
