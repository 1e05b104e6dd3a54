namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>
/// Weights in float8 with <c>weight_scale</c> (for the tensor or each output) or, for blocks, <c>weight_scale_inv</c>, which despite its name multiplies.
/// Activations are computed with as they are: their own quantization, static or dynamic, is an approximation that is not made.
/// </summary>
/// <param name="block">Outputs and inputs of a block; null where scales are not for blocks.</param>
internal sealed class Float8Scheme((int Outputs, int Inputs)? block) : QuantizationScheme
{
    public static Float8Scheme Parse(QuantizationConfig config) => new(config.BlockSize("weight_block_size"));

    public override QuantizedTensor? Find(Func<string, TensorView?> tensors, string module, int outputs, int inputs)
    {
        if (tensors($"{module}.weight") is not { } codes || codes.Type.IsPlain()) return null;
        codes.Require(TensorType.Float8E4M3, TensorType.Float8E5M2);
        var scales = block is null
            ? tensors($"{module}.weight_scale") ?? GptqScheme.Required(tensors, codes, $"{module}.weight_scale_inv")
            : GptqScheme.Required(tensors, codes, $"{module}.weight_scale_inv");
        return ScaledTensor.Create(codes, scales, zeros: null, outputs, inputs, block);
    }

    public override long? BytesInMemory(TensorView tensor) =>
        tensor.Type is TensorType.Float8E4M3 or TensorType.Float8E5M2 ? Elements(tensor) * 33 / 32 : null;
}
