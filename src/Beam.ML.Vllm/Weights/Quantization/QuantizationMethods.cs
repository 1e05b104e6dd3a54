using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>The quantizations that there are, by the names that checkpoints and vLLM's <c>quantization</c> give them.</summary>
internal static class QuantizationMethods
{
    public const string CompressedTensors = "compressed-tensors";

    private static readonly Dictionary<string, Func<QuantizationConfig, QuantizationScheme>> Stored = new(StringComparer.Ordinal)
    {
        ["awq"] = AwqScheme.Parse,
        [CompressedTensors] = CompressedTensorsScheme.Parse,
        ["fp8"] = Float8Scheme.Parse,
        ["gptq"] = GptqScheme.Parse,
        ["mxfp4"] = _ => new Mxfp4Scheme(),
    };

    private static readonly Dictionary<string, WeightCode> OnLoad = new(StringComparer.Ordinal)
    {
        ["int4"] = WeightCode.Int4,
        ["int8"] = WeightCode.Int8,
    };

    /// <summary>All names that <c>quantization</c> may be.</summary>
    public static IEnumerable<string> Names => Stored.Keys.Concat(OnLoad.Keys).Order(StringComparer.Ordinal);

    /// <summary>What a checkpoint's weights are, or are to become.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="requested">What was asked for: the checkpoint's own method, int8 or int4 for a plain one, or null for whatever it is.</param>
    /// <exception cref="ModelLoadException">The checkpoint has a method, or a form of one, that is not known.</exception>
    /// <exception cref="ArgumentException">The checkpoint has another method than was asked for.</exception>
    public static QuantizationScheme Choose(ModelConfig config, string? requested)
    {
        if (QuantizationConfig.Read(config) is { } stored)
        {
            if (!Stored.TryGetValue(stored.Method, out var parse))
                throw new ModelLoadException($"'{config.Path}': the weights are quantized by {stored.Method}; this engine reads {string.Join(", ", Stored.Keys.Order(StringComparer.Ordinal))}.");
            if (requested is not null && requested != stored.Method)
                throw new ArgumentException($"Quantization method specified in the model config ({stored.Method}) does not match the quantization method specified in the `quantization` argument ({requested}).");
            return parse(stored);
        }

        return requested is null ? QuantizationScheme.None
            : OnLoad.TryGetValue(requested, out var code) ? new OnLoadScheme(code)
            : throw new ArgumentException($"quantization {requested} needs a checkpoint that is quantized so, and '{config.Path}' has no quantization_config; plain weights can be quantized by {string.Join(" or ", OnLoad.Keys.Order(StringComparer.Ordinal))} while they are loaded.");
    }
}
