using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>
/// AWQ in its gemm form: <c>qweight</c> [inputs, outputs / 8], <c>qzeros</c> [groups, outputs / 8], the eight outputs of a word in the
/// order 0 2 4 6 1 3 5 7, and <c>scales</c> [groups, outputs].
/// </summary>
/// <param name="groupSize">Inputs that share a scale; null for all.</param>
internal sealed class AwqScheme(int? groupSize) : QuantizationScheme
{
    private const int Bits = 4;
    private const int PerWord = 8;

    public static AwqScheme Parse(QuantizationConfig config)
    {
        _ = config.Bits(4);
        if (config.Text("version", "gemm") is var version && !version.Equals("gemm", StringComparison.OrdinalIgnoreCase)) throw config.Unsupported("version", version, "gemm");
        return new AwqScheme(config.GroupSize());
    }

    public override QuantizedTensor? Find(Func<string, TensorView?> tensors, string module, int outputs, int inputs)
    {
        if (tensors($"{module}.qweight") is not { } codes) return null;
        if (outputs % PerWord != 0) throw codes.Wrong($"cannot hold the codes of {outputs} outputs");
        codes.Require(inputs, outputs / PerWord).Require(TensorType.Int32);
        var size = Math.Min(groupSize ?? inputs, inputs);
        if (!QuantizedMatrix.CanGroup(size, inputs)) throw codes.Wrong($"is in groups of {size} inputs; groups are known in multiples of 8");
        var groups = (inputs + size - 1) / size;
        var scales = GptqScheme.Required(tensors, codes, $"{module}.scales").Require(groups, outputs).Require(TensorType.Float16, TensorType.BFloat16, TensorType.Float32);
        var zeros = tensors($"{module}.qzeros")?.Require(groups, outputs / PerWord).Require(TensorType.Int32);
        var layout = new QuantizedLayout(WeightCode.Int4, size, HasZeroPoints: zeros is not null, scales.Type != TensorType.BFloat16);
        return new Tensor(codes, scales, zeros, outputs, inputs, layout);
    }

    public override long? BytesInMemory(TensorView tensor) => PackedWords.BytesInMemory(tensor, Bits);

    private sealed class Tensor(TensorView codes, TensorView scales, TensorView? zeros, int outputs, int inputs, QuantizedLayout layout)
        : QuantizedTensor(codes, outputs, inputs, layout)
    {
        public override void ReadOutput(int output, Span<byte> inputCodes, Span<float> outputScales, Span<float> outputZeros)
        {
            var words = Codes.Elements<uint>();
            var (columns, place) = (Codes.Columns, Place(output % PerWord));
            for (var i = 0; i < inputCodes.Length; i++) inputCodes[i] = PackedWords.Code(words[(i * columns) + (output / PerWord)], place, Bits);
            for (var group = 0; group < outputScales.Length; group++) scales.ReadRow(group, output, outputScales.Slice(group, 1));
            for (var group = 0; group < outputZeros.Length; group++)
                outputZeros[group] = PackedWords.Code(zeros!.Elements<uint>(group, 1)[output / PerWord], place, Bits) - 8;
        }

        /// <summary>Even outputs of a word come first.</summary>
        private static int Place(int output) => (output % 2 * 4) + (output / 2);
    }
}
