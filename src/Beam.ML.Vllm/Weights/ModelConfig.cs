using System.Text.Json;

namespace Beam.ML.Vllm.Weights;

/// <summary>
/// config.json, in the form that Transformers writes today and in the older one that most published checkpoints carry. What all decoders
/// share is a property; what one family needs it asks for by key.
/// </summary>
internal sealed class ModelConfig
{
    private readonly JsonElement _root;
    private readonly string _path;

    private ModelConfig(JsonElement root, string path)
    {
        (_root, _path) = (root, path);
        Architectures = root.TryGetProperty("architectures", out var names) && names.ValueKind == JsonValueKind.Array
            ? [.. names.EnumerateArray().Select(n => n.ToString())]
            : [];
        VocabularySize = Size("vocab_size", 1 << 24);
        HiddenSize = Size("hidden_size", 1 << 20);
        Layers = Size("num_hidden_layers", 10_000);
        Heads = Size("num_attention_heads", 1 << 16);
        KeyValueHeads = Has("num_key_value_heads") ? Size("num_key_value_heads", 1 << 16) : Heads;
        HeadSize = Has("head_dim") ? Size("head_dim", 1 << 16) : HiddenSize / Heads;
        IntermediateSize = Size("intermediate_size", 1 << 22);
        MaxPositions = Size("max_position_embeddings", 1 << 24);
        RmsNormEpsilon = Float("rms_norm_eps", 1e-6f);
        Type = ParseType(Text("dtype") ?? Text("torch_dtype"));
        EosTokenIds = TokenIds("eos_token_id");
        BosTokenId = TokenIds("bos_token_id") is [var bos, ..] ? bos : null;
        if (Heads % KeyValueHeads != 0) throw Wrong("num_attention_heads", $"is not a multiple of num_key_value_heads ({KeyValueHeads})");
    }

    public string Path => _path;

    public IReadOnlyList<string> Architectures { get; }

    public int VocabularySize { get; }

    public int HiddenSize { get; }

    public int IntermediateSize { get; }

    public int Layers { get; }

    public int Heads { get; }

    public int KeyValueHeads { get; }

    public int HeadSize { get; }

    public int MaxPositions { get; }

    public float RmsNormEpsilon { get; }

    /// <summary>The type that the weights were stored in; null where the file does not say.</summary>
    public TensorType? Type { get; }

    public IReadOnlyList<int> EosTokenIds { get; }

    public int? BosTokenId { get; }

    public static ModelConfig Load(string folder)
    {
        var path = System.IO.Path.Combine(folder, "config.json");
        if (!File.Exists(path)) throw new ModelLoadException($"'{folder}' has no config.json; name the folder of a Hugging Face checkpoint.");
        return JsonFile.Read(path, root => new ModelConfig(root.Clone(), path));
    }

    public bool Has(string key) => _root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null;

    public string? Text(string key) =>
        _root.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public bool Flag(string key, bool otherwise) =>
        _root.TryGetProperty(key, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : otherwise;

    public float Float(string key, float otherwise) => Has(key) ? Number(_root, key) : otherwise;

    /// <summary>A number that counts something: from 1 to a limit that no model comes near.</summary>
    public int Size(string key, int limit)
    {
        if (!_root.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null) throw Wrong(key, "is missing");
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out var number) || number < 1 || number > limit)
            throw Wrong(key, $"is {value.GetRawText()}, which is not between 1 and {limit}");
        return (int)number;
    }

    /// <summary>How positions turn into angles: <c>rope_parameters</c>, or <c>rope_theta</c> and <c>rope_scaling</c> in the older form.</summary>
    public RopeParameters Rope()
    {
        if (_root.TryGetProperty("rope_parameters", out var present) && present.ValueKind == JsonValueKind.Object)
            return new RopeParameters(present.TryGetProperty("rope_theta", out _) ? Number(present, "rope_theta") : Float("rope_theta", 10_000), RopeType(present));
        var type = _root.TryGetProperty("rope_scaling", out var scaling) && scaling.ValueKind == JsonValueKind.Object ? RopeType(scaling) : "default";
        return new RopeParameters(Float("rope_theta", 10_000), type);
    }

    public ModelLoadException Wrong(string key, string what) => new($"'{_path}': {key} {what}; the file is not that of a model that this engine knows, or damaged.");

    private static string RopeType(JsonElement rope) =>
        rope.TryGetProperty("rope_type", out var type) || rope.TryGetProperty("type", out type) ? type.ToString() : "default";

    private float Number(JsonElement parent, string key)
    {
        var value = parent.GetProperty(key);
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out var number) || !float.IsFinite((float)number) || number <= 0)
            throw Wrong(key, $"is {value.GetRawText()}, which is not a positive number");
        return (float)number;
    }

    private TensorType? ParseType(string? name) => name switch
    {
        null or "auto" => null,
        "float32" => TensorType.Float32,
        "float16" => TensorType.Float16,
        "bfloat16" => TensorType.BFloat16,
        _ => throw Wrong("dtype", $"is '{name}'; known are float32, float16 and bfloat16"),
    };

    private int[] TokenIds(string key) => GenerationConfig.ReadTokenIds(_root, key);
}

/// <summary>The base of the rotary frequencies, and the kind of scaling on top ("default" is none).</summary>
internal sealed record RopeParameters(float Theta, string Type);
