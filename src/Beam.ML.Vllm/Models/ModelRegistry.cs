using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>What the engine needs to know of an architecture.</summary>
/// <param name="KvShapes">What each layer will keep of a token in the cache.</param>
/// <param name="Build">Makes the model from its tensors.</param>
internal sealed record Architecture(Func<ModelConfig, IReadOnlyList<KvShape>> KvShapes, Func<LayerFactory, DecoderModel> Build)
{
    /// <summary>An architecture whose layers all keep the same.</summary>
    public Architecture(Func<LayerFactory, DecoderModel> build)
        : this(config => [.. Enumerable.Repeat(new KvShape(config.KeyValueHeads, config.HeadSize), config.Layers)], build)
    {
    }
}

/// <summary>The architectures that have a model file, by the names that config.json gives them.</summary>
internal static class ModelRegistry
{
    private static readonly Dictionary<string, Architecture> Architectures = new(StringComparer.Ordinal)
    {
        ["GemmaForCausalLM"] = new(GemmaForCausalLM.Build),
        ["Gemma2ForCausalLM"] = new(Gemma2ForCausalLM.Build),
        ["Gemma3ForCausalLM"] = new(Gemma3ForCausalLM.Build),
        ["Gemma3ForConditionalGeneration"] = new(Gemma3ForCausalLM.Build),
        ["Gemma4ForCausalLM"] = new(Gemma4ForCausalLM.KvShapes, Gemma4ForCausalLM.Build),
        ["Gemma4ForConditionalGeneration"] = new(Gemma4ForCausalLM.KvShapes, Gemma4ForCausalLM.Build),
        ["GptOssForCausalLM"] = new(GptOssForCausalLM.Build),
        ["GPT2LMHeadModel"] = new(GPT2LMHeadModel.Build),
        ["LlamaForCausalLM"] = new(LlamaForCausalLM.Build),
        ["MistralForCausalLM"] = new(LlamaForCausalLM.Build),
        ["MixtralForCausalLM"] = new(MixtralForCausalLM.Build),
        ["OPTForCausalLM"] = new(OPTForCausalLM.Build),
        ["Phi3ForCausalLM"] = new(Phi3ForCausalLM.Build),
        ["Qwen2ForCausalLM"] = new(Qwen2ForCausalLM.Build),
        ["Qwen3ForCausalLM"] = new(Qwen3ForCausalLM.Build),
        ["Qwen3MoeForCausalLM"] = new(Qwen3MoeForCausalLM.Build),
    };

    /// <summary>The first known architecture that the configuration names.</summary>
    public static Architecture Find(ModelConfig config) => Find(config.Architectures, config.Path);

    /// <summary>Refuses a config.json that names no known architecture.</summary>
    public static void Expect(IReadOnlyList<string> names, string path) => Find(names, path);

    private static Architecture Find(IReadOnlyList<string> names, string path)
    {
        foreach (var name in names)
        {
            if (Architectures.TryGetValue(name, out var architecture)) return architecture;
        }

        var named = names.Count == 0 ? "names no architecture" : $"names the architecture {string.Join(", ", names)}";
        throw new ModelLoadException($"'{path}' {named}; this engine knows {string.Join(", ", Architectures.Keys.Order(StringComparer.Ordinal))}.");
    }
}
