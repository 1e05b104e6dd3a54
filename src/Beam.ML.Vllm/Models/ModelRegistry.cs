using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>The architectures that have a model file, by the names that config.json gives them.</summary>
internal static class ModelRegistry
{
    private static readonly Dictionary<string, Func<LayerFactory, DecoderModel>> Builders = new(StringComparer.Ordinal)
    {
        ["GemmaForCausalLM"] = GemmaForCausalLM.Build,
    };

    /// <summary>The builder of the first known architecture that the configuration names.</summary>
    public static Func<LayerFactory, DecoderModel> Find(ModelConfig config)
    {
        foreach (var name in config.Architectures)
        {
            if (Builders.TryGetValue(name, out var builder)) return builder;
        }

        var named = config.Architectures.Count == 0 ? "names no architecture" : $"names the architecture {string.Join(", ", config.Architectures)}";
        throw new ModelLoadException($"'{config.Path}' {named}; this engine knows {string.Join(", ", Builders.Keys.Order(StringComparer.Ordinal))}.");
    }
}
