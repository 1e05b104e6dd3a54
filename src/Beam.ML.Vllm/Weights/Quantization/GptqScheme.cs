using System.Text.Json;
using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>
/// GPTQ: <c>qweight</c> [inputs / n, outputs], n codes of one output in a 32-bit word, <c>scales</c> [groups, outputs], <c>qzeros</c>
/// [groups, outputs / n], and <c>g_idx</c> [inputs], the group of each input, which in activation order is not sorted.
/// </summary>
/// <param name="bits">Bits of a code.</param>
/// <param name="groupSize">Inputs that share a scale; null for all.</param>
/// <param name="zeroOffset">What was taken off zero points before they were stored: 1 in the first form of the format.</param>
internal sealed class GptqScheme(int bits, int? groupSize, int zeroOffset) : QuantizationScheme
{
    public static GptqScheme Parse(QuantizationConfig config)
    {
        var bits = config.Bits(4, 8);
        var offset = config.Text("checkpoint_format", "gptq") switch
        {
            "gptq" => 1,
            "gptq_v2" => 0,
            var format => throw config.Unsupported("checkpoint_format", format, "gptq, gptq_v2"),
        };
        var scheme = new GptqScheme(bits, config.GroupSize(), offset);
        CheckOverrides(config, bits, config.Count("group_size") ?? -1);
        return scheme;
    }

    /// <summary>Modules that <c>dynamic</c> leaves plain (<c>-:</c>) show in their tensors; one that has its own bits or groups cannot be told from a damaged one.</summary>
    private static void CheckOverrides(QuantizationConfig config, int bits, int groupSize)
    {
        if (config.Get("dynamic") is not { ValueKind: JsonValueKind.Object } modules) return;
        foreach (var module in modules.EnumerateObject())
        {
            if (module.Name.StartsWith("-:", StringComparison.Ordinal)) continue;
            if (module.Value.ValueKind != JsonValueKind.Object) throw config.Wrong($"dynamic '{module.Name}'", "is not an object");
            var own = config.At(module.Value);
            var (ownBits, ownSize) = (own.Count("bits") ?? bits, own.Count("group_size") ?? groupSize);
            if ((ownBits, ownSize) != (bits, groupSize))
                throw config.Unsupported("dynamic", $"'{module.Name}' with bits {ownBits}, group_size {ownSize}", $"bits {bits}, group_size {groupSize} for all modules, but those left plain (-:)");
        }
    }

    public override QuantizedTensor? Find(Func<string, TensorView?> tensors, string module, int outputs, int inputs)
    {
        if (tensors($"{module}.qweight") is not { } codes) return null;
        var perWord = 32 / bits;
        if (inputs % perWord != 0 || outputs % perWord != 0) throw codes.Wrong($"cannot hold {inputs} × {outputs} codes of {bits} bits");
        codes.Require(inputs / perWord, outputs).Require(TensorType.Int32);
        var size = Math.Min(groupSize ?? inputs, inputs);
        if (!QuantizedMatrix.CanGroup(size, inputs)) throw codes.Wrong($"is in groups of {size} inputs; groups are known in multiples of 8");
        var groups = (inputs + size - 1) / size;
        var scales = Required(tensors, codes, $"{module}.scales").Require(groups, outputs).Require(TensorType.Float16, TensorType.BFloat16, TensorType.Float32);
        var zeros = Required(tensors, codes, $"{module}.qzeros").Require(groups, outputs / perWord).Require(TensorType.Int32);
        var code = bits == 4 ? WeightCode.Int4 : WeightCode.Int8;
        var layout = new QuantizedLayout(code, size, HasZeroPoints: true, scales.Type != TensorType.BFloat16)
        {
            InputOrder = GroupIndex.Order(tensors($"{module}.g_idx"), inputs, size, groups),
        };
        return new Tensor(this, codes, scales, zeros, outputs, inputs, layout).WithoutNeedlessZeros();
    }

    public override long? BytesInMemory(TensorView tensor) => PackedWords.BytesInMemory(tensor, bits);

    internal static TensorView Required(Func<string, TensorView?> tensors, TensorView codes, string name) =>
        tensors(name) ?? throw codes.Wrong($"has no tensor '{name}' beside it");

    private sealed class Tensor(GptqScheme scheme, TensorView codes, TensorView scales, TensorView zeros, int outputs, int inputs, QuantizedLayout layout)
        : QuantizedTensor(codes, outputs, inputs, layout)
    {
        private readonly int _bits = scheme.Bits;
        private readonly int _perWord = 32 / scheme.Bits;

        /// <summary>Symmetric checkpoints store the middle of the codes as the zero point of every group: none is kept then.</summary>
        public Tensor WithoutNeedlessZeros()
        {
            for (var group = 0; group < Groups; group++)
            {
                for (var output = 0; output < Outputs; output++)
                {
                    if (Zero(group, output) != 0) return this;
                }
            }

            return new Tensor(scheme, Codes, scales, zeros, Outputs, Inputs, Layout with { HasZeroPoints = false });
        }

        public override void ReadOutput(int output, Span<byte> inputCodes, Span<float> outputScales, Span<float> outputZeros)
        {
            var words = Codes.Elements<uint>();
            var order = Layout.InputOrder;
            for (var i = 0; i < inputCodes.Length; i++)
            {
                var input = order?[i] ?? i;
                inputCodes[i] = PackedWords.Code(words[(input / _perWord * Outputs) + output], input % _perWord, _bits);
            }

            for (var group = 0; group < outputScales.Length; group++) scales.ReadRow(group, output, outputScales.Slice(group, 1));
            for (var group = 0; group < outputZeros.Length; group++) outputZeros[group] = Zero(group, output);
        }

        /// <summary>Relative to the middle of the codes, which the matrix takes off itself.</summary>
        private int Zero(int group, int output) =>
            PackedWords.Code(zeros.Elements<uint>(group, 1)[output / _perWord], output % _perWord, _bits) + scheme.ZeroOffset - (1 << (_bits - 1));
    }

    private int Bits => bits;

    private int ZeroOffset => zeroOffset;
}
