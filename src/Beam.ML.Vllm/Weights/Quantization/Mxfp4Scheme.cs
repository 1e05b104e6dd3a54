using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>
/// MXFP4, as gpt-oss stores its experts: <c>_blocks</c> [experts, outputs, groups, 16], two float4_e2m1 in a byte, the first in the lower
/// half, and <c>_scales</c> [experts, outputs, groups], the exponents of powers of two. Modules that are no experts are plain.
/// </summary>
internal sealed class Mxfp4Scheme : QuantizationScheme
{
    private const int GroupSize = 32;

    /// <summary>The weights of all experts, [experts, outputs, inputs]; null if they are not in this form.</summary>
    public static QuantizedTensor[]? Experts(Func<string, TensorView?> tensors, string name, int experts, int outputs, int inputs)
    {
        if (tensors($"{name}_blocks") is not { } blocks) return null;
        if (inputs % GroupSize != 0) throw blocks.Wrong($"cannot hold groups of {GroupSize} of {inputs} inputs");
        blocks.Require(experts, outputs, inputs / GroupSize, GroupSize / 2).Require(TensorType.UInt8);
        var scales = GptqScheme.Required(tensors, blocks, $"{name}_scales").Require(experts, outputs, inputs / GroupSize).Require(TensorType.UInt8);
        return [.. Enumerable.Range(0, experts).Select(i => new Tensor(blocks.Slice(i), scales.Slice(i), outputs, inputs))];
    }

    public override long? BytesInMemory(TensorView tensor) => tensor.Type != TensorType.UInt8 ? null
        : tensor.Name.EndsWith("_scales", StringComparison.Ordinal) ? 2 * Elements(tensor)
        : Elements(tensor);

    private sealed class Tensor(TensorView codes, TensorView scales, int outputs, int inputs)
        : QuantizedTensor(codes, outputs, inputs, new QuantizedLayout(WeightCode.Float4E2M1, GroupSize))
    {
        public override void ReadOutput(int output, Span<byte> inputCodes, Span<float> outputScales, Span<float> zeros)
        {
            var bytes = Codes.Elements<byte>(output, 1);
            for (var i = 0; i < inputCodes.Length; i++) inputCodes[i] = (byte)((bytes[i / 2] >> (4 * (i % 2))) & 0xF);
            var exponents = scales.Elements<byte>(output, 1);
            for (var group = 0; group < outputScales.Length; group++)
                outputScales[group] = exponents[group] == 0xFF ? float.NaN : MathF.ScaleB(1, exponents[group] - 127);
        }
    }
}
