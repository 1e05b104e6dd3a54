using System.Globalization;
using System.Text.Json;

namespace Beam.ML.Vllm.Weights;

/// <summary>
/// config.json, in the form that Transformers writes today and in the older one that most published checkpoints carry; of a multimodal
/// model the text part. What all decoders share is a property; what one family needs it asks for by key.
/// </summary>
internal sealed class ModelConfig
{
    public const string Sliding = "sliding_attention", Full = "full_attention";

    private readonly JsonElement _file;
    private readonly JsonElement _text;
    private readonly string? _family;
    private readonly string _path;

    private ModelConfig(JsonElement root, string path)
    {
        (_file, _path) = (root, path);
        _text = root.TryGetProperty("text_config", out var text) && text.ValueKind == JsonValueKind.Object ? text : root;
        _family = _text.TryGetProperty("model_type", out var family) && family.ValueKind == JsonValueKind.String ? family.GetString() : null;
        Architectures = ArchitecturesOf(root);
        VocabularySize = Size("vocab_size", 1 << 24);
        HiddenSize = Size("hidden_size", 1 << 20);
        Layers = Size("num_hidden_layers", 10_000);
        Heads = Size("num_attention_heads", 1 << 16);
        KeyValueHeads = Has("num_key_value_heads") ? Size("num_key_value_heads", 1 << 16) : Heads;
        HeadSize = Has("head_dim") ? Size("head_dim", 1 << 16) : Math.Max(1, HiddenSize / Heads);
        IntermediateSize = Has("intermediate_size") || _family != "gpt2" ? Size("intermediate_size", 1 << 22) : 4 * HiddenSize;
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

    /// <summary>Reads a folder's file.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="expect">
    /// Refuses architectures that nobody here knows, given their names and the file's path. It comes first: their files have keys of their own.
    /// </param>
    public static ModelConfig Load(string folder, Action<IReadOnlyList<string>, string>? expect = null)
    {
        var path = System.IO.Path.Combine(folder, "config.json");
        if (!File.Exists(path)) throw new ModelLoadException($"'{folder}' has no config.json; name the folder of a Hugging Face checkpoint.");
        return JsonFile.Read(path, root =>
        {
            expect?.Invoke(ArchitecturesOf(root), path);
            return new ModelConfig(root.Clone(), path);
        });
    }

    private static IReadOnlyList<string> ArchitecturesOf(JsonElement root) =>
        root.TryGetProperty("architectures", out var names) && names.ValueKind == JsonValueKind.Array
            ? [.. names.EnumerateArray().Select(n => n.ToString())]
            : [];

    public bool Has(string key) => TryGet(key, out _);

    /// <summary>An object; null where there is none.</summary>
    public JsonElement? Object(string key) => TryGet(key, out var value) && value.ValueKind == JsonValueKind.Object ? value : null;

    public string? Text(string key) =>
        !TryGet(key, out var value) ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Wrong(key, $"is {value.GetRawText()}, which is not a text");

    public bool Flag(string key, bool otherwise) =>
        !TryGet(key, out var value) ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong(key, $"is {value.GetRawText()}, which is neither true nor false");

    /// <summary>Refuses a model that asks for something which would change its outputs and which this engine does not do.</summary>
    /// <param name="key">What it is.</param>
    /// <param name="only">The only value that the engine knows, which is that of files without the key.</param>
    public void Expect(string key, bool only)
    {
        if (Flag(key, only) != only) throw new ModelLoadException($"'{_path}': {key} is {(only ? "false" : "true")}, which this engine does not support.");
    }

    /// <summary>Refuses a model whose tokens of text see those that come after them; that those of images do so is of no concern here.</summary>
    public void ExpectCausal()
    {
        const string key = "use_bidirectional_attention";
        if (TryGet(key, out var value) && value.ValueKind != JsonValueKind.False && !(value.ValueKind == JsonValueKind.String && value.GetString() == "vision"))
            throw new ModelLoadException($"'{_path}': {key} is {value.GetRawText()}: an embedding model, which this engine does not support.");
    }

    public float Float(string key, float otherwise) => TryGet(key, out var value) ? Positive(value, key) : otherwise;

    /// <summary>A number that counts something: from 1 to a limit that no model comes near.</summary>
    public int Size(string key, int limit) => TryGet(key, out var value) ? Count(value, key, limit) : throw Wrong(key, "is missing");

    /// <summary>A number of layers, or the like, that may be zero, which it is where it is missing.</summary>
    public int Count(string key) =>
        !TryGet(key, out var value) ? 0
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= 0 ? number
        : throw Wrong(key, $"is {value.GetRawText()}, which is not a whole number of at least 0");

    /// <summary>A list of layers, or the like; empty where there is none.</summary>
    public IReadOnlyList<int> Numbers(string key)
    {
        if (!TryGet(key, out var list)) return [];
        if (list.ValueKind != JsonValueKind.Array || list.EnumerateArray().Any(e => e.ValueKind != JsonValueKind.Number || !e.TryGetInt32(out _)))
            throw Wrong(key, $"is {list.GetRawText()}, which is not a list of whole numbers");
        return [.. list.EnumerateArray().Select(e => e.GetInt32())];
    }

    /// <summary>A size that a layer may have for itself: in <c>per_layer_config</c>, otherwise what all layers have.</summary>
    public int? LayerSize(int layer, string key, int limit) =>
        TryGet("per_layer_config", out var layers) && layers.ValueKind == JsonValueKind.Object
        && layers.TryGetProperty(layer.ToString(CultureInfo.InvariantCulture), out var own) && own.ValueKind == JsonValueKind.Object
        && own.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null
            ? Count(value, key, limit)
            : null;

    /// <summary>Whether a layer sees a window only: as <c>layer_types</c> says, or, in files without it, as the family has it.</summary>
    public bool IsSliding(int layer, Func<int, bool> otherwise)
    {
        if (!TryGet("layer_types", out var types)) return otherwise(layer);
        if (types.ValueKind != JsonValueKind.Array) throw Wrong("layer_types", $"is {types.GetRawText()}, which is not a list");
        if (types.GetArrayLength() < Layers) throw Wrong("layer_types", $"has {types.GetArrayLength()} entries for {Layers} layers");
        return types[layer].ToString() switch
        {
            Sliding => true,
            Full => false,
            var type => throw Wrong("layer_types", $"has '{type}'; known are {Full} and {Sliding}"),
        };
    }

    /// <summary>
    /// How the positions of layers of a kind turn into angles: <c>rope_parameters</c>, one for all layers or one for each kind, or
    /// <c>rope_theta</c>, <c>rope_local_base_freq</c> and <c>rope_scaling</c> in the older form.
    /// </summary>
    public RopeParameters Rope(string layerType = Full)
    {
        JsonElement? rope = null;
        if (TryGet("rope_parameters", out var present))
            rope = RequireObject("rope_parameters", present).TryGetProperty(layerType, out var ofType) && ofType.ValueKind == JsonValueKind.Object ? ofType : present;
        else if (layerType == Sliding && Has("rope_local_base_freq"))
            return new RopeParameters { Theta = Float("rope_local_base_freq", 10_000) };
        else if (TryGet("rope_scaling", out var scaling))
            rope = RequireObject("rope_scaling", scaling);

        var type = RopeText(rope, "rope_type") ?? RopeText(rope, "type") ?? "default";
        return new RopeParameters
        {
            Theta = RopeNumber(rope, "rope_theta") ?? Float("rope_theta", 10_000),
            Type = type,
            PartialRotaryFactor = RopeNumber(rope, "partial_rotary_factor") ?? Float("partial_rotary_factor", 1),
            Factor = RopeNumber(rope, "factor"),
            OriginalMaxPositions = RopeNumber(rope, "original_max_position_embeddings") ?? Float("original_max_position_embeddings", MaxPositions),
            LowFrequencyFactor = RopeNumber(rope, "low_freq_factor") ?? 1,
            HighFrequencyFactor = RopeNumber(rope, "high_freq_factor") ?? 4,
            BetaFast = RopeNumber(rope, "beta_fast") ?? 32,
            BetaSlow = RopeNumber(rope, "beta_slow") ?? 1,
            Truncate = !(rope is { } r && r.TryGetProperty("truncate", out var truncate) && truncate.ValueKind == JsonValueKind.False),
            AttentionFactor = RopeNumber(rope, "attention_factor"),
            Mscale = RopeNumber(rope, "mscale"),
            MscaleAllDim = RopeNumber(rope, "mscale_all_dim"),
            ShortFactors = RopeNumbers(rope, "short_factor"),
            LongFactors = RopeNumbers(rope, "long_factor"),
        };
    }

    /// <summary>Whether layers of different kinds turn differently.</summary>
    public bool HasRopeForEachLayerType =>
        TryGet("rope_parameters", out var rope) ? rope.ValueKind == JsonValueKind.Object && rope.TryGetProperty(Full, out _) : Has("rope_local_base_freq");

    public ModelLoadException Wrong(string key, string what) => new($"'{_path}': {key} {what}; the file is not that of a model that this engine knows, or damaged.");

    /// <summary>The first of text part, file and family defaults that has the key decides; a null there is no value.</summary>
    private bool TryGet(string key, out JsonElement value)
    {
        key = FamilyDefaults.Name(_family, key);
        return (_text.TryGetProperty(key, out value) || _file.TryGetProperty(key, out value) || FamilyDefaults.TryGet(_family, key, out value))
            && value.ValueKind != JsonValueKind.Null;
    }

    private JsonElement RequireObject(string key, JsonElement value) =>
        value.ValueKind == JsonValueKind.Object ? value : throw Wrong(key, $"is {value.GetRawText()}, which is not an object");

    private string? RopeText(JsonElement? rope, string key) =>
        rope is not { } r || !r.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Wrong(key, $"is {value.GetRawText()}, which is not a text");

    private float? RopeNumber(JsonElement? rope, string key) =>
        rope is { } r && r.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? Positive(value, key) : null;

    private float[] RopeNumbers(JsonElement? rope, string key) =>
        rope is { } r && r.TryGetProperty(key, out var list) && list.ValueKind == JsonValueKind.Array
            ? [.. list.EnumerateArray().Select(e => Positive(e, key))]
            : [];

    private int Count(JsonElement value, string key, int limit) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= 1 && number <= limit
            ? (int)number
            : throw Wrong(key, $"is {value.GetRawText()}, which is not between 1 and {limit}");

    private float Positive(JsonElement value, string key) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && float.IsFinite((float)number) && number > 0
            ? (float)number
            : throw Wrong(key, $"is {value.GetRawText()}, which is not a positive number");

    private TensorType? ParseType(string? name) => name switch
    {
        null or "auto" => null,
        "float32" => TensorType.Float32,
        "float16" => TensorType.Float16,
        "bfloat16" => TensorType.BFloat16,
        _ => throw Wrong("dtype", $"is '{name}'; known are float32, float16 and bfloat16"),
    };

    /// <summary>The file's own ids count before those of its text part: they are what ends a turn.</summary>
    private int[] TokenIds(string key) =>
        GenerationConfig.ReadTokenIds(_file, key) is { Length: > 0 } ids ? ids : GenerationConfig.ReadTokenIds(_text, key);
}
