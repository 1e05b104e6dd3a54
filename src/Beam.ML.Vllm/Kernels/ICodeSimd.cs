namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Reads the numbers of quantized weights: from vectors of 32-bit words (held as floats that are never computed with) the codes of one
/// place in each, as floats in kernel units (<see cref="WeightCodes.KernelUnit"/>).
/// Each is exact: what is read does not depend on the instruction set. Places are constants where these are
/// called, and what depends on them alone is computed by the JIT.
/// </summary>
internal interface ICodeSimd<TVec> where TVec : struct
{
    /// <summary>Moves all bits of each word down.</summary>
    static abstract TVec ShiftRight(TVec words, int count);

    /// <summary>Byte 0 to 3, minus 128.</summary>
    static abstract TVec Int8(TVec words, int place);

    /// <summary>Half-byte 0 to 7, in the order of <see cref="QuantizedMatrix.NibbleBit"/>, minus 8.</summary>
    static abstract TVec Int4(TVec words, int place);

    /// <summary>Half-byte 0 to 7, likewise, as float4_e2m1.</summary>
    static abstract TVec Float4(TVec words, int place);

    /// <summary>Byte 0 to 3 as a float of so many exponent bits, and the rest but the sign mantissa.</summary>
    static abstract TVec Float8(TVec words, int place, int exponentBits);
}

/// <summary>One kind of code.</summary>
internal interface ICodeFormat<TVec> where TVec : struct
{
    /// <summary>Codes in a word: 4 or 8.</summary>
    static abstract int PerWord { get; }

    static abstract TVec Read(TVec words, int place);
}
