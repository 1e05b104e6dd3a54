using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>
/// Integers of 4 or 8 bits as compressed-tensors packs them: <c>weight_packed</c> [outputs, inputs / n], <c>weight_scale</c> [outputs,
/// groups], <c>weight_zero_point</c> [outputs / n, groups] where they are asymmetric, <c>weight_g_idx</c> where groups are not of neighbours.
/// </summary>
internal sealed class PackedTensor : QuantizedTensor
{
    private readonly TensorView _scales;
    private readonly TensorView? _zeros;
    private readonly int _bits;

    private PackedTensor(TensorView codes, TensorView scales, TensorView? zeros, int outputs, int inputs, int bits, QuantizedLayout layout)
        : base(codes, outputs, inputs, layout) => (_scales, _zeros, _bits) = (scales, zeros, bits);

    public static PackedTensor Create(Func<string, TensorView?> tensors, TensorView codes, string module, int outputs, int inputs)
    {
        codes.Require(TensorType.Int32);
        if (tensors($"{module}.weight_shape") is { Type: TensorType.Int64 } shape && !shape.Require(2).Elements<long>().SequenceEqual([outputs, inputs]))
            throw shape.Wrong($"is [{string.Join(", ", shape.Elements<long>().ToArray())}] where config.json makes the weights [{outputs}, {inputs}]");
        var bits = codes.Columns == (inputs + 7) / 8 ? 4 : 8;
        codes.Require(outputs, (inputs + (32 / bits) - 1) / (32 / bits));
        var scales = GptqScheme.Required(tensors, codes, $"{module}.weight_scale").Require(TensorType.Float32, TensorType.Float16, TensorType.BFloat16);
        if (scales.Rows != outputs || scales.Columns == 0 || inputs % scales.Columns != 0 || scales.Shape.Count > 2)
            throw scales.Wrong($"has the shape [{string.Join(", ", scales.Shape)}], which is not a scale for each of {outputs} outputs or groups of their {inputs} inputs");
        var (groups, size) = (scales.Columns, inputs / scales.Columns);
        if (!QuantizedMatrix.CanGroup(size, inputs)) throw codes.Wrong($"is in groups of {size} inputs; groups are known in multiples of 8");
        var zeros = tensors($"{module}.weight_zero_point")?.Require(TensorType.Int32).Require((outputs + (32 / bits) - 1) / (32 / bits), groups);
        var layout = new QuantizedLayout(bits == 4 ? WeightCode.Int4 : WeightCode.Int8, size, zeros is not null, scales.Type != TensorType.BFloat16)
        {
            InputOrder = GroupIndex.Order(tensors($"{module}.weight_g_idx"), inputs, size, groups),
        };
        return new PackedTensor(codes, scales, zeros, outputs, inputs, bits, layout);
    }

    public override void ReadOutput(int output, Span<byte> inputCodes, Span<float> scales, Span<float> zeros)
    {
        var words = Codes.Elements<uint>(output, 1);
        var (perWord, order) = (32 / _bits, Layout.InputOrder);
        for (var i = 0; i < inputCodes.Length; i++)
        {
            var input = order?[i] ?? i;
            inputCodes[i] = PackedWords.Code(words[input / perWord], input % perWord, _bits);
        }

        _scales.ReadRow(output, scales);
        if (_zeros is null) return;
        var row = _zeros.Elements<uint>(output / perWord, 1);
        for (var group = 0; group < zeros.Length; group++) zeros[group] = PackedWords.Code(row[group], output % perWord, _bits) - (1 << (_bits - 1));
    }
}
