namespace Beam.Coders.Standard;

/// <summary>Finds the coder of an integer type, or of an enum, in one of the formats.</summary>
internal static class IntegerCoders
{
    /// <summary>The coder, or null if the type is no integer.</summary>
    internal static Coder? For<TFormat>(Type type)
        where TFormat : struct, IIntegerFormat
    {
        if (type.IsEnum)
        {
            var underlying = Enum.GetUnderlyingType(type);
            return For<TFormat>(underlying) is { } integer ? CoderFactory.Make(typeof(EnumCoder<,>), [type, underlying], integer) : null;
        }

        return Type.GetTypeCode(type) switch
        {
            TypeCode.SByte => IntegerCoder<sbyte, TFormat>.Instance,
            TypeCode.Byte => IntegerCoder<byte, TFormat>.Instance,
            TypeCode.Int16 => IntegerCoder<short, TFormat>.Instance,
            TypeCode.UInt16 => IntegerCoder<ushort, TFormat>.Instance,
            TypeCode.Int32 => IntegerCoder<int, TFormat>.Instance,
            TypeCode.UInt32 => IntegerCoder<uint, TFormat>.Instance,
            TypeCode.Int64 => IntegerCoder<long, TFormat>.Instance,
            TypeCode.UInt64 => IntegerCoder<ulong, TFormat>.Instance,
            TypeCode.Char => IntegerCoder<char, TFormat>.Instance,
            _ => null,
        };
    }
}
