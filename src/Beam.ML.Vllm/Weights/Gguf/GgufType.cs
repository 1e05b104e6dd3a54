namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>What the matrices of a GGUF file are stored in; vectors are always 32-bit floats.</summary>
public enum GgufType
{
    /// <summary>32-bit floats.</summary>
    F32,

    /// <summary>16-bit IEEE floats; numbers over 65504 do not fit and are an error.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>8-bit integers in blocks of 32 with a scale each (llama.cpp's Q8_0); matrices whose rows are no multiple of 32 stay in 16 bits.</summary>
    Q8_0,
}

/// <summary>The numbers that the format has for things.</summary>
internal static class GgufFormat
{
    public const uint Version = 3;

    /// <summary>Each tensor begins at a multiple of this.</summary>
    public const int Alignment = 32;

    public const int BlockSize = 32;

    public static ReadOnlySpan<byte> Magic => "GGUF"u8;

    public static uint TensorCode(GgufType type) => type switch { GgufType.F32 => 0, GgufType.F16 => 1, GgufType.Q8_0 => 8, _ => 30 };

    /// <summary>general.file_type: what most of the file is stored in.</summary>
    public static uint FileCode(GgufType type) => type switch { GgufType.F32 => 0, GgufType.F16 => 1, GgufType.Q8_0 => 7, _ => 32 };

    public static long RowBytes(GgufType type, int columns) => type switch
    {
        GgufType.F32 => 4L * columns,
        GgufType.Q8_0 => columns / BlockSize * (2L + BlockSize),
        _ => 2L * columns,
    };

    public static long Align(long offset) => (offset + Alignment - 1) / Alignment * Alignment;
}

/// <summary>The kinds of metadata values.</summary>
internal enum GgufValueType : uint
{
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
}
