using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.ML.Vllm.Models;

/// <summary>A tensor that makes up some outputs of a linear layer.</summary>
/// <param name="Tensor">[outputs, inputs], or the codes of weights that are stored quantized.</param>
/// <param name="Outputs">How many outputs.</param>
/// <param name="IsTransposed">The tensor is [inputs, outputs].</param>
/// <param name="IsInterleaved">Even outputs come first, then the odd ones: gate and up stored in turns.</param>
internal readonly record struct WeightPart(TensorView Tensor, int Outputs, bool IsTransposed = false, bool IsInterleaved = false)
{
    /// <summary>Weights that are stored quantized.</summary>
    public WeightPart(QuantizedTensor quantized, bool isInterleaved = false) : this(quantized.Codes, quantized.Outputs, IsInterleaved: isInterleaved) =>
        Quantized = quantized;

    public QuantizedTensor? Quantized { get; }

    public int Place(int output) => !IsInterleaved ? output : (output % 2 * (Outputs / 2)) + (output / 2);
}

/// <summary>Copies the weights of one part to where a matrix has them: as they are, as they are quantized, or quantized on the way.</summary>
internal struct WeightPacking : IParallelWork
{
    private const int Band = 32;

    public WeightPart Part;
    public WeightMatrix Target;
    public int FirstOutput;

    public readonly void Run(int part, int parts)
    {
        // Of a transposed tensor some columns are read at a time, so that what is read of a row lies side by side.
        var band = Part.IsTransposed ? Band : 1;
        var bands = (Part.Outputs + band - 1) / band;
        int from = (int)((long)bands * part / parts), to = (int)((long)bands * (part + 1) / parts);
        if (from == to) return;
        if (Part.Quantized is { } stored) CopyCodes(stored, (QuantizedMatrix)Target, from, to);
        else CopyWeights(band, from, to);
    }

    private readonly void CopyCodes(QuantizedTensor stored, QuantizedMatrix target, int from, int to)
    {
        var groups = target.Layout.Groups(target.Inputs);
        var (codes, scales, zeros) = (new byte[target.Inputs], new float[groups], new float[target.Layout.HasZeroPoints ? groups : 0]);
        for (var output = from; output < to; output++)
        {
            stored.ReadOutput(output, codes, scales, zeros);
            target.SetOutput(FirstOutput + Part.Place(output), codes, scales, zeros);
        }
    }

    private readonly void CopyWeights(int band, int from, int to)
    {
        var inputs = Target.Inputs;
        var weights = new float[band * inputs];
        var quantized = Target as QuantizedMatrix;
        var codes = quantized is null ? [] : new byte[inputs];
        var scales = quantized is null ? [] : new float[quantized.Layout.Groups(inputs)];
        for (var i = from; i < to; i++)
        {
            var count = Math.Min(band, Part.Outputs - (i * band));
            if (Part.IsTransposed) ReadColumns(i * band, count, weights);
            else Part.Tensor.ReadRow(i, weights);
            for (var c = 0; c < count; c++)
            {
                var output = FirstOutput + Part.Place((i * band) + c);
                var row = weights.AsSpan(c * inputs, inputs);
                if (quantized is null)
                {
                    ((PackedMatrix)Target).SetOutput(output, row);
                    continue;
                }

                if (quantized.Layout.Code == WeightCode.Int4) GroupQuantizer.Int4(row, codes, scales);
                else GroupQuantizer.Int8(row, codes, scales);
                quantized.SetOutput(output, codes, scales, []);
            }
        }
    }

    private readonly void ReadColumns(int first, int count, float[] weights)
    {
        Span<float> row = stackalloc float[Band];
        for (var k = 0; k < Target.Inputs; k++)
        {
            Part.Tensor.ReadRow(k, first, row[..count]);
            for (var c = 0; c < count; c++) weights[(c * Target.Inputs) + k] = row[c];
        }
    }
}
