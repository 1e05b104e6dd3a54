namespace Beam.Runner.Direct.Engine;

/// <summary>Variable-length integers, seven bits a byte, the lowest first.</summary>
internal static class Varint
{
    /// <exception cref="InvalidDataException">The number is cut off or longer than 64 bits.</exception>
    public static ulong Read(ReadOnlySpan<byte> source, ref int position)
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if ((uint)position >= (uint)source.Length) throw new InvalidDataException("A variable-length integer is cut off.");
            var next = source[position++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }

        throw new InvalidDataException("A variable-length integer is longer than 64 bits.");
    }

    public static int Write(Span<byte> destination, ulong value)
    {
        var count = 0;
        while (value >= 0x80)
        {
            destination[count++] = (byte)(value | 0x80);
            value >>= 7;
        }

        destination[count++] = (byte)value;
        return count;
    }
}
