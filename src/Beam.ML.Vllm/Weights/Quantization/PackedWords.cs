using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>Codes of 4 or 8 bits in 32-bit words, the first in the lowest bits.</summary>
internal static class PackedWords
{
    public static byte Code(uint word, int place, int bits) => (byte)((word >> (place * bits)) & ((1u << bits) - 1));

    /// <summary>The memory of the tensors that GPTQ and AWQ have: codes stay as they are, zero points widen to 16 bits, float16 scales to 32.</summary>
    public static long? BytesInMemory(TensorView tensor, int bits)
    {
        var elements = (long)tensor.Rows * tensor.Columns;
        return tensor.Type != TensorType.Int32 ? null
            : tensor.Name.EndsWith("zeros", StringComparison.Ordinal) || tensor.Name.EndsWith("zero_point", StringComparison.Ordinal) ? elements * (32 / bits) * 2
            : elements * 4;
    }
}
