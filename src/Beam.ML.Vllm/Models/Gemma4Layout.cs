using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>Which layers of a Gemma 4 have a window, how large their heads are, and which keep keys and values of their own.</summary>
internal static class Gemma4Layout
{
    public static bool IsSliding(ModelConfig config, int layer) => config.IsSliding(layer, i => (i + 1) % 6 != 0);

    /// <summary>The layers, from the first one on, that have a cache; the others read that of the last one of their kind.</summary>
    public static int OwnCaches(ModelConfig config)
    {
        var shared = config.Count("num_kv_shared_layers");
        return shared < config.Layers ? config.Layers - shared : throw config.Wrong("num_kv_shared_layers", $"is {shared}, of {config.Layers} layers");
    }

    public static int Cache(ModelConfig config, int layer)
    {
        var own = OwnCaches(config);
        if (layer < own) return layer;
        for (var i = own - 1; i >= 0; i--)
        {
            if (IsSliding(config, i) == IsSliding(config, layer)) return i;
        }

        throw config.Wrong("num_kv_shared_layers", $"leaves layer {layer} without a layer of its kind to share with");
    }

    public static int HeadSize(ModelConfig config, bool sliding)
    {
        for (var i = 0; i < config.Layers; i++)
        {
            if (IsSliding(config, i) == sliding) return KvShape(config, i).HeadSize;
        }

        return config.HeadSize;
    }

    /// <summary>Layers without a window may have other heads: by layer, or, in the older form, by keys of their own.</summary>
    public static KvShape KvShape(ModelConfig config, int layer)
    {
        var isGlobal = !IsSliding(config, layer);
        var headSize = config.LayerSize(layer, "head_dim", 1 << 16)
            ?? (isGlobal && config.Has("global_head_dim") ? config.Size("global_head_dim", 1 << 16) : config.HeadSize);
        var hasFewerHeads = isGlobal && config.Flag("attention_k_eq_v", false) && config.Has("num_global_key_value_heads");
        var heads = config.LayerSize(layer, "num_key_value_heads", 1 << 16)
            ?? (hasFewerHeads ? config.Size("num_global_key_value_heads", 1 << 16) : config.KeyValueHeads);
        return config.Heads % heads == 0
            ? new KvShape(heads, headSize)
            : throw config.Wrong("num_attention_heads", $"is not a multiple of the {heads} key-value heads of layer {layer}");
    }
}
