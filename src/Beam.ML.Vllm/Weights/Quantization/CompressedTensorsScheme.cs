using System.Text.Json;
using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>
/// compressed-tensors: integers of 4 or 8 bits in words (<c>weight_packed</c> [outputs, inputs / n]), or bytes that are float8 or int8
/// (<c>weight</c>), with <c>weight_scale</c> for the tensor, each output, groups of inputs or blocks. Which modules are quantized, and in
/// how many bits, shows in their tensors. Activations are computed with as they are, as in <see cref="Float8Scheme"/>.
/// </summary>
/// <param name="block">Outputs and inputs of a block; null where scales are not for blocks.</param>
internal sealed class CompressedTensorsScheme((int Outputs, int Inputs)? block) : QuantizationScheme
{
    private const string KnownFormats = "pack-quantized, int-quantized, float-quantized, naive-quantized, dense";

    public static CompressedTensorsScheme Parse(QuantizationConfig config)
    {
        CheckFormat(config, config.Text("format", "dense"));
        if (config.Get("transform_config") is { ValueKind: JsonValueKind.Object } transforms && transforms.EnumerateObject().Any())
            throw config.Unsupported("transform_config", transforms.GetRawText(), "none");
        if (config.Get("sparsity_config") is { ValueKind: JsonValueKind.Object } sparsity && sparsity.TryGetProperty("format", out var kind) && kind.ToString() != "dense")
            throw config.Unsupported("sparsity_config.format", kind.ToString(), "dense");
        (int, int)? block = null;
        if (config.Get("config_groups") is { ValueKind: JsonValueKind.Object } groups)
        {
            foreach (var group in groups.EnumerateObject())
            {
                if (group.Value.ValueKind != JsonValueKind.Object) throw config.Wrong($"config_groups.{group.Name}", "is not an object");
                if (group.Value.TryGetProperty("format", out var format) && format.ValueKind == JsonValueKind.String) CheckFormat(config, format.GetString()!);
                if (group.Value.TryGetProperty("weights", out var weights) && weights.ValueKind == JsonValueKind.Object) block = Check(config.At(weights)) ?? block;
            }
        }

        return new CompressedTensorsScheme(block);
    }

    public override QuantizedTensor? Find(Func<string, TensorView?> tensors, string module, int outputs, int inputs)
    {
        if (tensors($"{module}.weight_packed") is { } packed) return PackedTensor.Create(tensors, packed, module, outputs, inputs);
        if (tensors($"{module}.weight") is not { } codes || codes.Type.IsPlain()) return null;
        codes.Require(TensorType.Float8E4M3, TensorType.Float8E5M2, TensorType.Int8);
        var scales = GptqScheme.Required(tensors, codes, $"{module}.weight_scale");
        return ScaledTensor.Create(codes, scales, tensors($"{module}.weight_zero_point"), outputs, inputs, codes.Type == TensorType.Int8 ? null : block);
    }

    public override long? BytesInMemory(TensorView tensor) => tensor.Type switch
    {
        TensorType.Float8E4M3 or TensorType.Float8E5M2 or TensorType.Int8 => Elements(tensor) * 33 / 32,
        TensorType.Int64 => 0,
        _ => PackedWords.BytesInMemory(tensor, bits: 4),
    };

    private static void CheckFormat(QuantizationConfig config, string format)
    {
        if (!KnownFormats.Split(", ").Contains(format)) throw config.Unsupported("format", format, KnownFormats);
    }

    /// <summary>The block size, where scales are for blocks.</summary>
    private static (int Outputs, int Inputs)? Check(QuantizationConfig weights)
    {
        var (type, bits) = (weights.Text("type", "int"), weights.Count("num_bits") ?? 8);
        if ((type, bits) is not (("int", 4) or ("int", 8) or ("float", 8)))
            throw weights.Unsupported("weights", $"{type} of {bits} bits", "int of 4 or 8 bits, float of 8 bits");
        var strategy = weights.Text("strategy", "tensor");
        if (strategy is not ("tensor" or "channel" or "group" or "block")) throw weights.Unsupported("strategy", strategy, "tensor, channel, group, block");
        return strategy == "block" ? weights.BlockSize("block_structure") ?? throw weights.Wrong("block_structure", "is missing") : null;
    }
}
