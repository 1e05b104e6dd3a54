using System.Security.Cryptography;
using Beam.Coders;
using Google.Protobuf;
using Proto = Beam.Model.Pipeline;

namespace Beam.Schemas;

/// <summary>Schemas to protos and back.</summary>
internal static class SchemaTranslator
{
    private const int MaxDepth = 64;

    internal static Proto.Schema ToProto(Schema schema, ICoderPayloadSerializer? serializer)
    {
        if (schema.Proto is { } original) return original;
        var proto = new Proto.Schema();
        foreach (var field in schema.Fields)
        {
            proto.Fields.Add(new Proto.Field
            {
                Name = field.Name,
                Description = field.Description,
                Type = ToProto(field.Type, serializer),
            });
        }

        proto.Id = ContentId(proto);
        return proto;
    }

    /// <summary>A UUID that is the same wherever and whenever the same schema is translated.</summary>
    private static string ContentId(Proto.Schema proto)
    {
        var uuid = SHA256.HashData(proto.ToByteArray()).AsSpan(0, 16);
        uuid[6] = (byte)((uuid[6] & 0x0F) | 0x80);
        uuid[8] = (byte)((uuid[8] & 0x3F) | 0x80);
        return new Guid(uuid, bigEndian: true).ToString();
    }

    internal static Proto.FieldType ToProto(FieldType type, ICoderPayloadSerializer? serializer)
    {
        var proto = type switch
        {
            AtomicFieldType atomic => new Proto.FieldType { AtomicType = (Proto.AtomicType)atomic.Type },
            ArrayFieldType array => new() { ArrayType = new() { ElementType = ToProto(array.Element, serializer) } },
            IterableFieldType iterable => new() { IterableType = new() { ElementType = ToProto(iterable.Element, serializer) } },
            MapFieldType map => new()
            {
                MapType = new() { KeyType = ToProto(map.Key, serializer), ValueType = ToProto(map.Value, serializer) },
            },
            RowFieldType row => new() { RowType = new() { Schema = ToProto(row.Schema, serializer) } },
            LogicalFieldType logical => new()
            {
                LogicalType = new()
                {
                    Urn = logical.Urn,
                    Payload = logical.Payload,
                    Representation = ToProto(logical.Representation, serializer),
                    ArgumentType = logical.ArgumentType,
                    Argument = logical.Argument,
                },
            },
            CodedFieldType coded => new()
            {
                LogicalType = new()
                {
                    Urn = LogicalTypeUrns.DotNetCoder,
                    Payload = ByteString.CopyFrom(CoderPayload.Serialize(coded.Coder, serializer)),
                    Representation = ToProto(FieldType.Bytes, serializer),
                },
            },
            _ => throw new InvalidOperationException($"The field type {type} has no proto."),
        };
        proto.Nullable = type.IsNullable;
        return proto;
    }

    internal static Schema FromProto(Proto.Schema proto, ICoderPayloadSerializer? serializer, int depth = 0)
    {
        var fields = new Field[proto.Fields.Count];
        for (var i = 0; i < fields.Length; i++)
        {
            var field = proto.Fields[i];
            fields[i] = new(field.Name, FromProto(field.Type, serializer, depth, field.Name)) { Description = field.Description };
        }

        try
        {
            return new Schema(fields, proto.EncodingPositionsSet ? EncodingOrder(proto) : null, proto);
        }
        catch (ArgumentException e)
        {
            throw new CoderException(e.Message, e);
        }
    }

    private static int[] EncodingOrder(Proto.Schema proto)
    {
        var order = new int[proto.Fields.Count];
        Array.Fill(order, -1);
        for (var i = 0; i < order.Length; i++)
        {
            var position = proto.Fields[i].EncodingPosition;
            if ((uint)position >= (uint)order.Length || order[position] >= 0)
                throw new CoderException($"The encoding positions of a schema are not 0 to {order.Length - 1}, each once: '{proto.Fields[i].Name}' has {position}.");
            order[position] = i;
        }

        return order;
    }

    internal static FieldType FromProto(Proto.FieldType? proto, ICoderPayloadSerializer? serializer, int depth, string name)
    {
        if (depth > MaxDepth) throw new CoderException($"A schema is nested more than {MaxDepth} deep.");
        var next = depth + 1;
        FieldType type = proto?.TypeInfoCase switch
        {
            Proto.FieldType.TypeInfoOneofCase.AtomicType when Enum.IsDefined((AtomicType)proto.AtomicType) =>
                new AtomicFieldType((AtomicType)proto.AtomicType),
            Proto.FieldType.TypeInfoOneofCase.ArrayType => new ArrayFieldType(FromProto(proto.ArrayType.ElementType, serializer, next, name)),
            Proto.FieldType.TypeInfoOneofCase.IterableType =>
                new IterableFieldType(FromProto(proto.IterableType.ElementType, serializer, next, name)),
            Proto.FieldType.TypeInfoOneofCase.MapType => new MapFieldType(
                FromProto(proto.MapType.KeyType, serializer, next, name),
                FromProto(proto.MapType.ValueType, serializer, next, name)),
            Proto.FieldType.TypeInfoOneofCase.RowType =>
                new RowFieldType(FromProto(proto.RowType.Schema ?? new(), serializer, next)),
            Proto.FieldType.TypeInfoOneofCase.LogicalType => Logical(proto.LogicalType, serializer, next, name),
            _ => throw new CoderException($"The schema's field '{name}' has a type that is not known here: {proto}."),
        };
        return proto.Nullable ? type.AsNullable() : type;
    }

    private static FieldType Logical(Proto.LogicalType proto, ICoderPayloadSerializer? serializer, int depth, string name) =>
        proto.Urn == LogicalTypeUrns.DotNetCoder && serializer is not null
            ? new CodedFieldType(serializer.Deserialize(proto.Payload.ToByteArray()))
            : new LogicalFieldType(proto.Urn, FromProto(proto.Representation, serializer, depth, name))
            {
                Payload = proto.Payload,
                ArgumentType = proto.ArgumentType,
                Argument = proto.Argument,
            };
}
