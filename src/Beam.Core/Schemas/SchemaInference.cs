using System.Reflection;
using Beam.Coders;
using Beam.Coders.Collections;

namespace Beam.Schemas;

/// <summary>The schema of a .NET type.</summary>
internal sealed class SchemaInference
{
    private readonly CoderRegistry _registry;

    internal SchemaInference(CoderRegistry registry) => _registry = registry;

    internal Schema SchemaOf(Type type, InferencePath path)
    {
        if (path.IsRecursive)
            throw path.Fail("the type contains itself, and a row has a fixed depth", "Refer by a key instead, or register a coder: pipeline.Coders.Register(...).");
        return new Schema(RowShape.Of(type, path).Members.Select(member =>
            new Field(member.Name, FieldTypeOf(member.Type, member.Nullability, path.Member(member.Name, member.Type)))));
    }

    /// <summary>The field type of a type.</summary>
    /// <param name="type">The type.</param>
    /// <param name="nullability">What is declared of null; nothing is known of the parts of a type that is not a member.</param>
    /// <param name="path">How inference got here.</param>
    internal FieldType FieldTypeOf(Type type, NullabilityInfo? nullability, InferencePath path)
    {
        if (Nullable.GetUnderlyingType(type) is { } underlying) return NotNull(underlying, nullability, path).AsNullable();
        var core = NotNull(type, nullability, path);
        return !type.IsValueType && nullability is not null && nullability.ReadState != NullabilityState.NotNull ? core.AsNullable() : core;
    }

    private FieldType NotNull(Type type, NullabilityInfo? nullability, InferencePath path)
    {
        if (_registry.FindRegistered(type) is { } registered) return new CodedFieldType(registered);
        if (LogicalTypes.Of(type) is { } logical) return logical;
        if (Atomic(type) is { } atomic) return atomic;
        if (CollectionCoders.EntryTypes(type) is var (key, value))
        {
            return FieldType.MapOf(
                FieldTypeOf(key, Argument(nullability, 0), path.Part("(key)", key)),
                FieldTypeOf(value, Argument(nullability, 1), path.Part("(value)", value)));
        }

        if (CollectionCoders.ElementType(type) is { } element)
        {
            var elementType = FieldTypeOf(
                element, type.IsArray ? nullability?.ElementType : Argument(nullability, 0), path.Part("[]", element));
            return type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IEnumerable<>)
                ? FieldType.IterableOf(elementType)
                : FieldType.ArrayOf(elementType);
        }

        return FieldType.RowOf(SchemaOf(type, path));
    }

    private static NullabilityInfo? Argument(NullabilityInfo? nullability, int index) =>
        nullability is not null && index < nullability.GenericTypeArguments.Length ? nullability.GenericTypeArguments[index] : null;

    private static FieldType? Atomic(Type type)
    {
        if (type.IsEnum) type = Enum.GetUnderlyingType(type);
        return Type.GetTypeCode(type) switch
        {
            TypeCode.Boolean => FieldType.Boolean,
            TypeCode.SByte => FieldType.Byte,
            // Beam's byte is signed: an unsigned one needs the next wider type, to be the same number to everyone.
            TypeCode.Byte or TypeCode.Int16 => FieldType.Int16,
            TypeCode.UInt16 or TypeCode.Int32 => FieldType.Int32,
            TypeCode.UInt32 or TypeCode.Int64 or TypeCode.UInt64 => FieldType.Int64,
            TypeCode.Single => FieldType.Float,
            TypeCode.Double => FieldType.Double,
            TypeCode.String => FieldType.String,
            _ => type == typeof(byte[]) || type == typeof(ReadOnlyMemory<byte>) ? FieldType.Bytes
                : type == typeof(Uri) ? FieldType.String
                : null,
        };
    }
}
