using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>
/// Plain weights become integers while they are loaded, row by row: scales for groups of 32 inputs, without zero points. Embedding and
/// head get 8 bits even where all else gets 4.
/// </summary>
/// <param name="code">Of linear layers.</param>
internal sealed class OnLoadScheme(WeightCode code) : QuantizationScheme
{
    private static readonly QuantizedLayout Vocabulary = new(WeightCode.Int8, GroupQuantizer.GroupSize);

    private readonly QuantizedLayout _linear = new(code, GroupQuantizer.GroupSize);

    public override QuantizedLayout? OnLoad(WeightUse use) => use switch
    {
        WeightUse.Linear => _linear,
        WeightUse.Vocabulary => Vocabulary,
        _ => null,
    };

    /// <remarks>By name what is embedding or head, and by shape what is a matrix; routers, which stay plain, weigh nothing beside them.</remarks>
    public override long? BytesInMemory(TensorView tensor)
    {
        var isPositions = tensor.Name.EndsWith("wpe.weight", StringComparison.Ordinal) || tensor.Name.Contains("embed_positions", StringComparison.Ordinal);
        if (!tensor.Type.IsPlain() || tensor.Shape.Count < 2 || isPositions) return null;
        var isVocabulary = tensor.Name.Contains("embed", StringComparison.Ordinal) || tensor.Name.Contains("lm_head", StringComparison.Ordinal)
            || tensor.Name.EndsWith("wte.weight", StringComparison.Ordinal);
        return (long)(Elements(tensor) * QuantizedMatrix.BitsPerWeight(isVocabulary ? Vocabulary : _linear, tensor.Columns) / 8);
    }
}
