using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.ML.Vllm.Models;

/// <summary>Makes layers of the tensors that a module's name stands for, with the sizes of config.json.</summary>
internal sealed class LayerFactory(
    ModelConfig config, Checkpoint checkpoint, CpuKernels kernels, bool roundToBFloat16, QuantizationScheme quantization, int maxModelLength,
    CancellationToken cancellationToken = default) : IDisposable
{
    public ModelConfig Config => config;

    public WeightLoader Weights { get; } = new(checkpoint, kernels, roundToBFloat16, quantization, cancellationToken);

    /// <summary>The modules that adapters may change, of the layers made so far.</summary>
    public LoraTargets Lora { get; } = new();

    public int MaxModelLength => maxModelLength;

    public Linear Linear(string name, int inputs, int outputs, bool bias = false) => Linear(inputs, bias, (name, outputs));

    /// <summary>One module, [outputs, inputs], or several stacked into one layer.</summary>
    public Linear Linear(int inputs, bool bias, params ReadOnlySpan<(string Name, int Outputs)> parts) => Linear(WeightUse.Linear, inputs, bias, parts);

    /// <summary>Gives each expert its logit.</summary>
    public Linear Router(string name, bool bias = false) => Linear(WeightUse.Router, config.HiddenSize, bias, (name, ExpertCount));

    /// <summary>Logits from embeddings of a size, where the head is not the embedding itself.</summary>
    public Linear Head(string name, int inputs) => Linear(WeightUse.Vocabulary, inputs, bias: false, (name, config.VocabularySize));

    /// <summary>A module that stores its weights as [inputs, outputs], with a bias.</summary>
    public Linear TransposedLinear(string name, int inputs, int outputs) => new(
        Weights.Pack(inputs, new WeightPart(Weights.Get($"{name}.weight"), outputs, IsTransposed: true)),
        Weights.Vector(Weights.Get($"{name}.bias"), outputs)) { LoraTargets = Lora.Register(inputs, (name, outputs)) };

    /// <param name="name">The module.</param>
    /// <param name="size">Columns; those of the residual stream if it is not given.</param>
    /// <param name="offset">Added to each weight: Gemma stores the distance from one.</param>
    /// <param name="scale">Multiplies each weight then.</param>
    public RmsNorm RmsNorm(string name, int? size = null, float offset = 0, float scale = 1) =>
        new(Weights.Vector(Weights.Get($"{name}.weight"), size ?? config.HiddenSize, scale, offset), config.RmsNormEpsilon);

    public LayerNorm LayerNorm(string name, float epsilon) => new(
        Weights.Vector(Weights.Get($"{name}.weight"), config.HiddenSize), Weights.Vector(Weights.Get($"{name}.bias"), config.HiddenSize), epsilon);

    public TokenEmbedding Embedding(string name, float scale = 1) =>
        new(EmbeddingTable(name, config.HiddenSize, config.VocabularySize), scale);

    /// <summary>[vocabulary, size], one row a token.</summary>
    public WeightMatrix EmbeddingTable(string name, int size, int vocabulary) =>
        Weights.Pack(size, WeightUse.Vocabulary, new WeightPart(Weights.Get($"{name}.weight"), vocabulary));

    /// <summary>What was learned for each position, from a row of the table on.</summary>
    public PositionEmbedding Positions(string name, int first)
    {
        var table = Weights.Get($"{name}.weight").Require(first + Math.Max(config.MaxPositions, maxModelLength), config.HiddenSize);
        return new PositionEmbedding(Weights.Rows(table, first, maxModelLength));
    }

    /// <summary>The function that a key of config.json names.</summary>
    public Activation Activation(string key, Activation otherwise) => config.Text(key) switch
    {
        null => otherwise,
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" or "gelu_accurate" => Kernels.Activation.GeluTanh,
        "gelu" or "gelu_python" => Kernels.Activation.Gelu,
        "quick_gelu" => Kernels.Activation.QuickGelu,
        "silu" or "swish" => Kernels.Activation.Silu,
        "relu" => Kernels.Activation.Relu,
        var name => throw config.Wrong(key, $"is '{name}'; known are gelu, gelu_fast, gelu_new, gelu_pytorch_tanh, quick_gelu, relu, silu and swish"),
    };

    public RotaryEmbedding Rotary(string layerType = ModelConfig.Full, int? headSize = null)
    {
        var size = headSize ?? config.HeadSize;
        var frequencies = RotaryFrequencies.Compute(config, config.Rope(layerType), size, maxModelLength);
        return new RotaryEmbedding(Weights.Own(new RotaryTable(frequencies.Inverse, maxModelLength, frequencies.Scale)), size);
    }

    /// <summary>The sizes that most attention layers have.</summary>
    public AttentionShape Shape(int layer) => new(layer, config.Heads, config.KeyValueHeads, config.HeadSize);

    /// <summary>q_proj, k_proj, v_proj, o_proj, and q_norm and k_norm where the family has them.</summary>
    public SelfAttention Attention(
        string name, AttentionShape shape, RotaryEmbedding? rotary, bool bias = false, bool outputBias = false, bool headNorms = false, float normOffset = 0)
    {
        var projection = Linear(
            config.HiddenSize, bias, ($"{name}.q_proj", shape.QuerySize), ($"{name}.k_proj", shape.KeyValueSize), ($"{name}.v_proj", shape.KeyValueSize));
        var output = Linear($"{name}.o_proj", shape.QuerySize, config.HiddenSize, outputBias);
        return new SelfAttention(shape, projection, output, rotary)
        {
            QueryNorm = headNorms ? RmsNorm($"{name}.q_norm", shape.HeadSize, normOffset) : null,
            KeyNorm = headNorms ? RmsNorm($"{name}.k_norm", shape.HeadSize, normOffset) : null,
        };
    }

    /// <summary>gate_proj, up_proj, down_proj.</summary>
    public GatedMlp GatedMlp(string name, Activation activation, int? intermediateSize = null, bool bias = false)
    {
        var size = intermediateSize ?? config.IntermediateSize;
        var gateUp = Linear(config.HiddenSize, bias, ($"{name}.gate_proj", size), ($"{name}.up_proj", size));
        return new GatedMlp(gateUp, Linear($"{name}.down_proj", size, config.HiddenSize, bias), activation);
    }

    /// <summary>Experts in a layer, under the names that the families have for it.</summary>
    public int ExpertCount => config.Size(config.Has("num_experts") ? "num_experts" : "num_local_experts", 1 << 16);

    /// <summary>As many experts as there are, and as many for each row, as config.json says.</summary>
    /// <param name="router">Gives each expert its logit.</param>
    /// <param name="normalize">The weights of a row's experts add up to one.</param>
    /// <param name="expert">Makes the expert of a number.</param>
    /// <param name="scales">What the weight of each expert is multiplied by in the end; null for one.</param>
    public MixtureOfExperts Experts(Linear router, bool normalize, Func<int, GatedMlp> expert, float[]? scales = null)
    {
        var key = config.Has("top_k_experts") ? "top_k_experts" : "num_experts_per_tok";
        return new MixtureOfExperts(router, [.. Enumerable.Range(0, ExpertCount).Select(expert)], config.Size(key, ExpertCount), normalize, scales);
    }

    /// <summary>The window of a layer, in positions; null for none.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="otherwise">Which layers have one in files that do not say.</param>
    public int? Window(int layer, Func<int, bool> otherwise) => config.IsSliding(layer, otherwise) ? config.Size("sliding_window", 1 << 30) : null;

    /// <summary>A decoder with the names that Llama has given to embedding, layers, norm and head.</summary>
    /// <param name="layer">Makes a layer from its number and its name.</param>
    /// <param name="tied">Whether the head is the embedding in files that do not say.</param>
    /// <param name="embeddingScale">What embeddings are multiplied by.</param>
    /// <param name="normOffset">Added to the weights of the last norm.</param>
    /// <param name="inputs">Layers that come before the others.</param>
    public DecoderModel Decoder(
        Func<int, string, IEnumerable<ILayer>> layer, bool tied = false, float embeddingScale = 1, float normOffset = 0, params ILayer[] inputs)
    {
        config.Expect("lm_head_bias", false);
        config.ExpectCausal();
        var embedding = Embedding("model.embed_tokens", embeddingScale);
        ILayer[] layers = [.. inputs, .. Enumerable.Range(0, config.Layers).SelectMany(i => layer(i, $"model.layers.{i}"))];
        var vocabulary = config.Flag("tie_word_embeddings", tied) ? embedding.TiedHead() : Head("lm_head", config.HiddenSize);
        var head = new DecoderHead(RmsNorm("model.norm", offset: normOffset), vocabulary) { SoftCap = config.Float("final_logit_softcapping", 0) };
        return new DecoderModel(embedding, layers, head, Weights.TakeOwned());
    }

    /// <summary>Frees what no model has taken.</summary>
    public void Dispose() => Weights.Dispose();

    private Linear Linear(WeightUse use, int inputs, bool bias, params ReadOnlySpan<(string Name, int Outputs)> parts)
    {
        var weights = new WeightPart[parts.Length];
        for (var i = 0; i < parts.Length; i++) weights[i] = Weights.Part(parts[i].Name, inputs, parts[i].Outputs);
        var packed = Weights.Pack(inputs, use, weights);
        var targets = Lora.Register(inputs, parts);
        if (!bias) return new Linear(packed) { LoraTargets = targets };
        for (var i = 0; i < parts.Length; i++) weights[i] = new WeightPart(Weights.Get($"{parts[i].Name}.bias"), parts[i].Outputs);
        return new Linear(packed, Weights.Biases(weights)) { LoraTargets = targets };
    }
}
