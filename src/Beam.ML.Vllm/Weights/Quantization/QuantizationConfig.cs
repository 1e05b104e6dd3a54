using System.Text.Json;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>quantization_config of a config.json, or the file of its own that older checkpoints have in its place.</summary>
/// <param name="path">The file.</param>
/// <param name="method">quant_method.</param>
/// <param name="values">The object.</param>
internal sealed class QuantizationConfig(string path, string method, JsonElement values)
{
    /// <summary>What a checkpoint says; null if its weights are plain.</summary>
    public static QuantizationConfig? Read(ModelConfig config)
    {
        if ((config.Object("quantization_config") ?? config.Object("compression_config")) is not { } values)
            return ReadBeside(config, "quantize_config.json", "gptq") ?? ReadBeside(config, "quant_config.json", "awq");
        var method = NamedMethod(values)
            ?? (values.TryGetProperty("config_groups", out _) ? QuantizationMethods.CompressedTensors : throw config.Wrong("quantization_config", "has no quant_method"));
        return new QuantizationConfig(config.Path, method, values);
    }

    /// <summary>The first tools for GPTQ and AWQ wrote their settings to a file of their own, most often without the method's name.</summary>
    private static QuantizationConfig? ReadBeside(ModelConfig config, string file, string otherwise)
    {
        var path = Path.Combine(Path.GetDirectoryName(config.Path) ?? "", file);
        if (!File.Exists(path)) return null;
        return JsonFile.Read(path, root => new QuantizationConfig(path, NamedMethod(root) ?? (root.TryGetProperty("w_bit", out _) ? "awq" : otherwise), root.Clone()));
    }

    private static string? NamedMethod(JsonElement values) =>
        values.TryGetProperty("quant_method", out var named) && named.ValueKind == JsonValueKind.String ? named.GetString()!.ToLowerInvariant() : null;

    public string Method => method;

    /// <summary>An object inside this one.</summary>
    public QuantizationConfig At(JsonElement inner) => new(path, method, inner);

    public JsonElement? Get(string key) => values.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public string Text(string key, string otherwise) => Get(key) switch
    {
        null => otherwise,
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { } other => throw Wrong(key, $"is {other.GetRawText()}, which is not a text"),
    };

    public int? Count(string key) => Get(key) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number
        : throw Wrong(key, $"is {value.GetRawText()}, which is not a whole number");

    /// <summary>bits (AWQ's own name: w_bit), which must be there and one of those known.</summary>
    public int Bits(params ReadOnlySpan<int> known)
    {
        var bits = Count("bits") ?? Count("w_bit") ?? throw Wrong("bits", "is missing");
        return known.Contains(bits) ? bits : throw Unsupported("bits", $"{bits}", string.Join(", ", known.ToArray()));
    }

    /// <summary>group_size (AWQ's own name: q_group_size); null for −1, which is all inputs.</summary>
    public int? GroupSize()
    {
        var size = Count("group_size") ?? Count("q_group_size") ?? -1;
        return size == -1 ? null : size > 0 ? size : throw Wrong("group_size", $"is {size}; groups have at least one input, and −1 is one group for all");
    }

    /// <summary>Two sizes, [outputs, inputs]; null if they are not there.</summary>
    public (int Outputs, int Inputs)? BlockSize(string key)
    {
        if (Get(key) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 2
            && value[0].ValueKind == JsonValueKind.Number && value[0].TryGetInt32(out var outputs) && outputs is > 0 and <= 1 << 20
            && value[1].ValueKind == JsonValueKind.Number && value[1].TryGetInt32(out var inputs) && inputs is > 0 and <= 1 << 20
                ? (outputs, inputs)
                : throw Wrong(key, $"is {value.GetRawText()}, which is not two sizes");
    }

    public ModelLoadException Wrong(string key, string what) =>
        new($"'{path}': {key}{(IsAlone ? "" : " of quantization_config")} {what}; the file is damaged, or of a form of {method} that this engine does not know.");

    public ModelLoadException Unsupported(string key, string value, string known) => new(
        $"'{path}': {(IsAlone ? "the quantization" : "quantization_config")} has {key} {value}, which this engine does not have for {method}; it has {known}. Use another quantization of the model, or the model itself with quantization int8 or int4.");

    private bool IsAlone => Path.GetFileName(path) != "config.json";
}
