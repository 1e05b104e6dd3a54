using System.Text.Json;
using System.Text.RegularExpressions;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Lora;

/// <summary>adapter_config.json, as PEFT writes it. What the engine cannot serve exactly is refused, never ignored.</summary>
internal sealed class LoraConfig
{
    private const int MaxPatterns = 1024;

    private static readonly TimeSpan MatchTimeout = TimeSpan.FromMilliseconds(250);

    private readonly string _path;
    private readonly int _rank;
    private readonly double _alpha;
    private readonly bool _isRankStabilized;
    private readonly List<(Regex Pattern, double Value)> _ranks;
    private readonly List<(Regex Pattern, double Value)> _alphas;
    private readonly Regex? _targetPattern;

    private LoraConfig(JsonElement root, string path)
    {
        _path = path;
        RefuseWhatIsNotServed(root);
        _rank = Rank(Number(root, "r", 8), "r");
        _alpha = Number(root, "lora_alpha", 8);
        _isRankStabilized = Flag(root, "use_rslora");
        _ranks = Patterns(root, "rank_pattern");
        _alphas = Patterns(root, "alpha_pattern");
        if (!root.TryGetProperty("target_modules", out var targets) || targets.ValueKind == JsonValueKind.Null) return;
        if (targets.ValueKind == JsonValueKind.String)
        {
            if (targets.GetString() is { } text && text != "all-linear") _targetPattern = Compile($@"\A(?:{text})\z", "target_modules");
        }
        else if (targets.ValueKind == JsonValueKind.Array && targets.EnumerateArray().All(t => t.ValueKind == JsonValueKind.String))
        {
            Targets = [.. targets.EnumerateArray().Select(t => t.GetString()!)];
        }
        else
        {
            throw Wrong("target_modules", $"is {Short(targets)}, which is neither a list of names nor a pattern");
        }
    }

    /// <summary>The names of the modules that are changed, or their ends; empty where the file has a pattern, or all linear layers.</summary>
    public IReadOnlyList<string> Targets { get; } = [];

    public static LoraConfig Load(string folder)
    {
        var path = Path.Combine(folder, "adapter_config.json");
        if (!File.Exists(path)) throw new ModelLoadException($"'{folder}' has no adapter_config.json; name the folder of a PEFT adapter.");
        return JsonFile.Read(path, root => new LoraConfig(root, path));
    }

    public int RankOf(string module) => Matching(_ranks, module) is { } own ? Rank(own, "rank_pattern") : _rank;

    public float ScaleOf(string module)
    {
        var alpha = Matching(_alphas, module) ?? _alpha;
        return (float)(_isRankStabilized ? alpha / Math.Sqrt(RankOf(module)) : alpha / RankOf(module));
    }

    /// <summary>Whether target_modules speaks of a module.</summary>
    public bool IsTarget(string module) =>
        _targetPattern is not null ? IsMatch(_targetPattern, module) : Targets.Count == 0 || Targets.Any(t => IsNamed(module, t));

    public static bool IsNamed(string module, string target) => module == target || module.EndsWith("." + target, StringComparison.Ordinal);

    private void RefuseWhatIsNotServed(JsonElement root)
    {
        if (root.TryGetProperty("peft_type", out var type) && (type.ValueKind != JsonValueKind.String || type.GetString() != "LORA"))
            throw Wrong("peft_type", $"is {Short(type)}; the engine serves LORA adapters");
        if (root.TryGetProperty("bias", out var bias) && bias.ValueKind == JsonValueKind.String && bias.GetString() != "none")
            throw Unserved("bias", bias, "trained biases");
        foreach (var (key, what) in (ReadOnlySpan<(string, string)>)
            [
                ("use_dora", "DoRA"), ("lora_bias", "trained biases"), ("modules_to_save", "whole modules that were trained along"),
                ("target_parameters", "adapters of bare parameters, such as fused experts"), ("trainable_token_indices", "trained token embeddings"),
                ("layer_replication", "repeated layers"), ("use_qalora", "QA-LoRA"), ("use_bdlora", "block-diagonal LoRA"),
                ("alora_invocation_tokens", "activated LoRA"), ("arrow_config", "Arrow routing"), ("kasa_config", "KaSA"),
            ])
        {
            if (root.TryGetProperty(key, out var value) && !IsNeutral(value)) throw Unserved(key, value, what);
        }
    }

    private static bool IsNeutral(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        _ => false,
    };

    /// <summary>The value of the first pattern that a module's name, or the end of it from a dot on, matches.</summary>
    private double? Matching(List<(Regex Pattern, double Value)> patterns, string module)
    {
        foreach (var (pattern, value) in patterns)
        {
            if (IsMatch(pattern, module)) return value;
        }

        return null;
    }

    private bool IsMatch(Regex pattern, string module)
    {
        try
        {
            return pattern.IsMatch(module);
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new ModelLoadException($"'{_path}': the pattern '{pattern}' takes too long to match '{module}'; simplify it.", e);
        }
    }

    private List<(Regex Pattern, double Value)> Patterns(JsonElement root, string key)
    {
        if (!root.TryGetProperty(key, out var map) || map.ValueKind == JsonValueKind.Null) return [];
        if (map.ValueKind != JsonValueKind.Object) throw Wrong(key, $"is {Short(map)}, which is not an object");
        var patterns = new List<(Regex, double)>();
        foreach (var entry in map.EnumerateObject())
        {
            if (patterns.Count == MaxPatterns) throw Wrong(key, $"has over {MaxPatterns} patterns");
            patterns.Add((Compile($@"\A(?:.*\.)?(?:{entry.Name})\z", key), Number(entry.Value, key)));
        }

        return patterns;
    }

    private Regex Compile(string pattern, string key)
    {
        try
        {
            // Python names groups (?P<name>…).
            return new Regex(pattern.Replace("(?P<", "(?<", StringComparison.Ordinal), RegexOptions.CultureInvariant, MatchTimeout);
        }
        catch (ArgumentException e)
        {
            throw new ModelLoadException($"'{_path}': {key} has a pattern that cannot be read ({e.Message}); correct it.", e);
        }
    }

    private int Rank(double value, string key) =>
        value >= 1 && value <= 1 << 16 && value == Math.Floor(value) ? (int)value : throw Wrong(key, $"is {value}, which is not a whole number of at least 1");

    private double Number(JsonElement root, string key, double otherwise) =>
        root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? Number(value, key) : otherwise;

    private double Number(JsonElement value, string key) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && float.IsFinite((float)number)
            ? number
            : throw Wrong(key, $"is {Short(value)}, which is not a number");

    private bool Flag(JsonElement root, string key) =>
        root.TryGetProperty(key, out var value) && value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False or JsonValueKind.Null => false,
            _ => throw Wrong(key, $"is {Short(value)}, which is neither true nor false"),
        };

    private ModelLoadException Wrong(string key, string what) => new($"'{_path}': {key} {what}.");

    private ModelLoadException Unserved(string key, JsonElement value, string what) => new(
        $"'{_path}': {key} is {Short(value)}, and the engine does not serve {what}; merge the adapter into its base model (merge_and_unload) and serve that.");

    private static string Short(JsonElement value)
    {
        var text = value.GetRawText();
        return text.Length <= 80 ? text : text[..80] + "…";
    }
}
