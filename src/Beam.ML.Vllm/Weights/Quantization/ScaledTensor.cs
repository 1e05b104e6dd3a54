using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>
/// Weights of one byte, [outputs, inputs], with scales for the whole tensor, for each output, for groups of its inputs, or for blocks of
/// outputs and inputs.
/// </summary>
internal sealed class ScaledTensor : QuantizedTensor
{
    private readonly TensorView _scales;
    private readonly TensorView? _zeros;
    private readonly int _outputsPerScale;

    private ScaledTensor(TensorView codes, TensorView scales, TensorView? zeros, int outputs, int inputs, int outputsPerScale, QuantizedLayout layout)
        : base(codes, outputs, inputs, layout) => (_scales, _zeros, _outputsPerScale) = (scales, zeros, outputsPerScale);

    /// <param name="codes">[outputs, inputs], of a type of one byte.</param>
    /// <param name="scales">One; or [outputs], [outputs, groups], or a scale for each block.</param>
    /// <param name="zeros">Zero points, int8 of the scales' shape, or null.</param>
    /// <param name="outputs">Outputs of the layer.</param>
    /// <param name="inputs">Inputs of the layer.</param>
    /// <param name="block">Outputs and inputs of a block, where scales are for blocks.</param>
    public static ScaledTensor Create(TensorView codes, TensorView scales, TensorView? zeros, int outputs, int inputs, (int Outputs, int Inputs)? block)
    {
        codes.Require(outputs, inputs);
        scales.Require(TensorType.Float32, TensorType.Float16, TensorType.BFloat16);
        var code = codes.Type switch
        {
            TensorType.Float8E4M3 => WeightCode.Float8E4M3,
            TensorType.Float8E5M2 => WeightCode.Float8E5M2,
            _ => WeightCode.Int8,
        };
        int outputsPerScale = outputs, groupSize = inputs;
        if (block is { } b)
        {
            scales.Require((outputs + b.Outputs - 1) / b.Outputs, (inputs + b.Inputs - 1) / b.Inputs);
            (outputsPerScale, groupSize) = b;
        }
        else if ((long)scales.Rows * scales.Columns != 1)
        {
            outputsPerScale = 1;
            if (scales.Rows != outputs || scales.Columns == 0 || inputs % scales.Columns != 0 || scales.Shape.Count > 2)
                throw scales.Wrong($"has the shape [{string.Join(", ", scales.Shape)}], which is neither one scale nor one for each of {outputs} outputs, nor for groups of their {inputs} inputs");
            groupSize = inputs / scales.Columns;
        }

        if (!QuantizedMatrix.CanGroup(groupSize, inputs)) throw scales.Wrong($"makes groups of {groupSize} inputs; groups are known in multiples of 8");
        zeros?.Require([.. scales.Shape]).Require(TensorType.Int8);
        return new ScaledTensor(codes, scales, zeros, outputs, inputs, outputsPerScale, new QuantizedLayout(code, groupSize, zeros is not null, scales.Type != TensorType.BFloat16));
    }

    public override void ReadOutput(int output, Span<byte> inputCodes, Span<float> scales, Span<float> zeros)
    {
        _scales.ReadRow(output / _outputsPerScale, scales);
        if (_zeros is not null)
        {
            var stored = _zeros.Elements<sbyte>(output / _outputsPerScale, 1);
            for (var group = 0; group < zeros.Length; group++) zeros[group] = stored[group];
        }

        Codes.Elements<byte>(output, 1).CopyTo(inputCodes);
        if (Layout.Code == WeightCode.Int8)
        {
            foreach (ref var code in inputCodes) code ^= 0x80;
            return;
        }

        // A weight that is no number makes its output none: so does its scale.
        for (var i = 0; i < inputCodes.Length; i++)
        {
            if (Layout.Code.IsNotFinite(inputCodes[i])) scales[i / Layout.GroupSize] = float.NaN;
        }
    }
}
