namespace Beam.ML.Vllm.Kernels;

/// <summary>What a number of 8 or 4 bits in a <see cref="QuantizedMatrix"/> stands for, before scale and zero point.</summary>
internal enum WeightCode
{
    /// <summary>Eight bits, minus 128: −128 … 127.</summary>
    Int8,

    /// <summary>Four bits, minus 8: −8 … 7.</summary>
    Int4,

    /// <summary>A float of four exponent and three mantissa bits without infinities (float8_e4m3fn): up to ±448.</summary>
    Float8E4M3,

    /// <summary>A float of five exponent and two mantissa bits (float8_e5m2): up to ±57344.</summary>
    Float8E5M2,

    /// <summary>A float of two exponent bits and one mantissa bit (float4_e2m1): 0, ½, 1, 1½, 2, 3, 4, 6 and their negatives.</summary>
    Float4E2M1,
}

/// <summary>The codes one by one; the kernels read vectors of them.</summary>
internal static class WeightCodes
{
    /// <summary>Codes in a 32-bit word.</summary>
    public static int PerWord(this WeightCode code) => code is WeightCode.Int4 or WeightCode.Float4E2M1 ? 8 : 4;

    /// <summary>What a code stands for; codes of infinities and of what is no number read as the finite numbers that would come next.</summary>
    public static float ToSingle(this WeightCode code, uint bits) => code switch
    {
        WeightCode.Int8 => (int)bits - 128,
        WeightCode.Int4 => (int)bits - 8,
        WeightCode.Float8E4M3 => Small(bits, mantissaBits: 3, exponentBits: 4),
        WeightCode.Float8E5M2 => Small(bits, mantissaBits: 2, exponentBits: 5),
        _ => Small(bits, mantissaBits: 1, exponentBits: 2),
    };

    /// <summary>
    /// What the kernels read a code as, divided by what it stands for: a power of two that goes into scales and zero points, so that the
    /// exponents of small floats need no other bias.
    /// </summary>
    public static float KernelUnit(this WeightCode code) => code switch
    {
        WeightCode.Float8E4M3 => 1 << 8,
        WeightCode.Float8E5M2 => 1 << 16,
        WeightCode.Float4E2M1 => 1 << 2,
        _ => 1,
    };

    /// <summary>Whether a code is an infinity or no number at all.</summary>
    public static bool IsNotFinite(this WeightCode code, uint bits) => code switch
    {
        WeightCode.Float8E4M3 => (bits & 0x7F) == 0x7F,
        WeightCode.Float8E5M2 => (bits & 0x7F) >= 0x7C,
        _ => false,
    };

    private static float Small(uint bits, int mantissaBits, int exponentBits)
    {
        var sign = (bits >> (mantissaBits + exponentBits)) << 31;
        var magnitude = (bits & ((1u << (mantissaBits + exponentBits)) - 1)) << (23 - mantissaBits);

        // The exponent is that of a float but for the bias, which multiplying puts right, numbers without a leading one included.
        return BitConverter.UInt32BitsToSingle(sign | magnitude) * MathF.ScaleB(1, 128 - (1 << (exponentBits - 1)));
    }
}
