using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>Quantized weights in a checkpoint, [outputs, inputs], whatever the order they are stored in.</summary>
/// <param name="codes">The tensor that has the codes.</param>
/// <param name="outputs">Outputs of the layer.</param>
/// <param name="inputs">Inputs of the layer.</param>
/// <param name="layout">How they are kept in memory.</param>
internal abstract class QuantizedTensor(TensorView codes, int outputs, int inputs, QuantizedLayout layout)
{
    public TensorView Codes => codes;

    public int Outputs => outputs;

    public int Inputs => inputs;

    public QuantizedLayout Layout => layout;

    public int Groups => layout.Groups(inputs);

    /// <summary>Reads what one output is made of. Several threads may read.</summary>
    /// <param name="output">The output.</param>
    /// <param name="inputCodes">Gets the code of each input, in the order of the layout.</param>
    /// <param name="scales">Gets the scale of each group.</param>
    /// <param name="zeros">Gets the zero point of each group, in what codes stand for; empty if the layout has none.</param>
    public abstract void ReadOutput(int output, Span<byte> inputCodes, Span<float> scales, Span<float> zeros);
}
