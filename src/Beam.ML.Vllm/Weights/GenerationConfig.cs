using System.Text.Json;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Weights;

/// <summary>generation_config.json: which tokens end a text, and how the model's makers would sample.</summary>
internal sealed record GenerationConfig(IReadOnlyList<int> EosTokenIds, SamplingParams SamplingDefaults)
{
    private const string FileName = "generation_config.json";

    /// <summary><c>max_new_tokens</c>, if the file has it.</summary>
    public int? MaxNewTokens { get; init; }

    private delegate SamplingParams Setter(SamplingParams defaults, double value);

    /// <summary>The values that vLLM takes over as well, by the names that Transformers gives them.</summary>
    private static readonly (string Key, bool IsWhole, Setter Set)[] Defaults =
    [
        ("temperature", false, (p, v) => p with { Temperature = v }),
        ("top_p", false, (p, v) => p with { TopP = v }),
        ("top_k", true, (p, v) => p with { TopK = (int)v }),
        ("min_p", false, (p, v) => p with { MinP = v }),
        ("repetition_penalty", false, (p, v) => p with { RepetitionPenalty = v }),
        ("max_new_tokens", true, (p, v) => p with { MaxTokens = (int)v }),
    ];

    /// <summary>Reads the file, or gives the defaults where there is none.</summary>
    /// <exception cref="ModelLoadException">A value is not what sampling allows.</exception>
    public static GenerationConfig Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) return new GenerationConfig([], new SamplingParams());
        return JsonFile.Read(path, root =>
        {
            var defaults = ReadDefaults(root, path);
            var isLimited = root.TryGetProperty("max_new_tokens", out var limit) && limit.ValueKind == JsonValueKind.Number;
            return new GenerationConfig(ReadTokenIds(root, "eos_token_id"), defaults) { MaxNewTokens = isLimited ? defaults.MaxTokens : null };
        });
    }

    /// <summary>What holds for a model in a folder, by <see cref="EngineOptions.GenerationConfig"/> and <see cref="EngineOptions.OverrideGenerationConfig"/>.</summary>
    /// <exception cref="ModelLoadException">A value is not what sampling allows, or a folder that was named has no such file.</exception>
    public static GenerationConfig Load(string folder, EngineOptions options)
    {
        var own = options.GenerationConfig is "auto" or "vllm";
        if (!own && !File.Exists(Path.Combine(options.GenerationConfig, FileName)))
            throw new ModelLoadException($"generation_config must be auto, vllm or a folder with {FileName} in it; '{options.GenerationConfig}' has none.");
        var config = Load(own ? folder : options.GenerationConfig);
        if (options.GenerationConfig == "vllm") config = config with { SamplingDefaults = new SamplingParams(), MaxNewTokens = null };
        return options.OverrideGenerationConfig is { } values ? config with { SamplingDefaults = values.Over(config.SamplingDefaults), MaxNewTokens = values.MaxNewTokens ?? config.MaxNewTokens } : config;
    }

    /// <summary>Token ids come as a number or as a list of numbers.</summary>
    public static int[] ReadTokenIds(JsonElement root, string key)
    {
        if (!root.TryGetProperty(key, out var value)) return [];
        return value.ValueKind switch
        {
            JsonValueKind.Number when value.TryGetInt32(out var id) => [id],
            JsonValueKind.Array => [.. value.EnumerateArray().Where(e => e.ValueKind == JsonValueKind.Number && e.TryGetInt32(out _)).Select(e => e.GetInt32())],
            _ => [],
        };
    }

    private static SamplingParams ReadDefaults(JsonElement root, string path)
    {
        var defaults = new SamplingParams();
        foreach (var (key, isWhole, set) in Defaults)
        {
            if (!root.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null) continue;
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out var number) || !double.IsFinite(number))
                throw Wrong(path, $"{key} must be a number, got {value.GetRawText()}.");
            if (isWhole && (number != Math.Floor(number) || Math.Abs(number) > int.MaxValue))
                throw Wrong(path, $"{key} must be a whole number, got {value.GetRawText()}.");
            defaults = set(defaults, number);
        }

        try
        {
            defaults.Validate();
            return defaults;
        }
        catch (ArgumentException e)
        {
            throw Wrong(path, e.Message, e);
        }
    }

    private static ModelLoadException Wrong(string path, string what, Exception? cause = null) =>
        new($"'{path}': {what} Correct the value, or remove it.", cause!);
}
