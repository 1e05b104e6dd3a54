using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Writes a row of floats in the numbers of a tensor type.</summary>
internal static class GgufRowEncoder
{
    public static void Encode(GgufType type, ReadOnlySpan<float> row, Span<byte> target, string tensor)
    {
        switch (type)
        {
            case GgufType.F32:
                MemoryMarshal.AsBytes(row).CopyTo(target);
                break;
            case GgufType.F16:
                EncodeHalves(row, MemoryMarshal.Cast<byte, Half>(target), tensor);
                break;
            case GgufType.BF16:
                var bits = MemoryMarshal.Cast<byte, ushort>(target);
                for (var i = 0; i < row.Length; i++) bits[i] = BFloat16Bits.FromSingle(row[i]);
                break;
            default:
                for (var block = 0; block < row.Length / GgufFormat.BlockSize; block++)
                    EncodeBlock(row.Slice(block * GgufFormat.BlockSize, GgufFormat.BlockSize), target.Slice(block * (2 + GgufFormat.BlockSize), 2 + GgufFormat.BlockSize));
                break;
        }
    }

    private static void EncodeHalves(ReadOnlySpan<float> row, Span<Half> target, string tensor)
    {
        for (var i = 0; i < row.Length; i++)
        {
            target[i] = (Half)row[i];
            if (Half.IsInfinity(target[i]) && float.IsFinite(row[i]))
                throw new ModelLoadException($"The tensor '{tensor}' has {row[i]}, which 16-bit floats cannot hold; export as bf16 or f32.");
        }
    }

    /// <summary>The scale is the largest magnitude over 127; numbers are rounded to the nearest step, halves away from zero.</summary>
    private static void EncodeBlock(ReadOnlySpan<float> values, Span<byte> target)
    {
        var largest = 0f;
        foreach (var value in values) largest = MathF.Max(largest, MathF.Abs(value));
        var scale = largest / 127;
        var inverse = scale == 0 ? 0 : 1 / scale;
        BinaryPrimitives.WriteHalfLittleEndian(target, (Half)scale);
        for (var i = 0; i < values.Length; i++) target[2 + i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
    }
}
