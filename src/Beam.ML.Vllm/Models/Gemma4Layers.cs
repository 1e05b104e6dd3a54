using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// The inputs that each layer gets of the tokens besides the residual stream, all computed at the start of a step: what a second embedding
/// has for the token and the layer, plus a normed projection of the first embedding, over √2.
/// </summary>
internal sealed class PerLayerInputs(TokenEmbedding embedding, Linear projection, RmsNorm norm, int size) : ILayer
{
    public static PerLayerInputs Create(LayerFactory make)
    {
        var (config, weights) = (make.Config, make.Weights);
        var size = config.Size("hidden_size_per_layer_input", 1 << 20);
        var columns = checked(config.Layers * size);
        var vocabulary = config.Has("vocab_size_per_layer_input") ? config.Size("vocab_size_per_layer_input", 1 << 24) : config.VocabularySize;
        if (vocabulary < config.VocabularySize) throw config.Wrong("vocab_size_per_layer_input", $"is {vocabulary}, less than vocab_size");

        // 1/√2 goes into what is added up. The projection is scaled by 1/√(hidden size) before its norm, which only the norm's epsilon sees.
        var table = make.EmbeddingTable("model.embed_tokens_per_layer", columns, vocabulary);
        var weight = weights.Vector(weights.Get("model.per_layer_projection_norm.weight"), size, scale: 1 / MathF.Sqrt(2));
        return new PerLayerInputs(
            new TokenEmbedding(table, MathF.Sqrt(size / 2f)),
            make.Linear("model.per_layer_model_projection", config.HiddenSize, columns),
            new RmsNorm(weight, config.RmsNormEpsilon * config.HiddenSize),
            size);
    }

    public void Forward(ForwardContext context, Matrix hidden)
    {
        var inputs = context.Scratch(Scratch.PerLayerInputs, projection.Outputs);
        projection.Forward(context, hidden, inputs);
        norm.Forward(context, inputs, inputs);
        var ofTokens = context.Scratch(Scratch.GateUp, projection.Outputs);
        embedding.Forward(context, ofTokens);
        context.Kernels.Add(ofTokens, inputs);
    }

    /// <summary>What one layer makes of its input: projection(f(gate(x)) × input).</summary>
    public ISublayer Layer(LayerFactory make, int layer, string name) => new Injection(
        this, layer, make.Linear($"{name}.per_layer_input_gate", make.Config.HiddenSize, size), make.Linear($"{name}.per_layer_projection", size, make.Config.HiddenSize),
        make.Activation("hidden_activation", Activation.GeluTanh));

    private Matrix Inputs(ForwardContext context, int layer) =>
        context.Scratch(Scratch.PerLayerInputs, projection.Outputs).SliceColumns(layer * size, size);

    private sealed class Injection(PerLayerInputs inputs, int layer, Linear gate, Linear output, Activation activation) : ISublayer
    {
        public void Forward(ForwardContext context, Matrix x, Matrix y, bool add)
        {
            var gated = context.Scratch(Scratch.Activated, gate.Outputs);
            gate.Forward(context, x, gated);
            context.Kernels.ActivateAndMultiply(activation, gated, inputs.Inputs(context, layer), gated);
            output.Forward(context, gated, y, add);
        }
    }
}

/// <summary>An MLP and experts side by side, each between norms of its own; both start from the residual stream.</summary>
internal sealed class DenseAndExperts(
    INorm beforeMlp, GatedMlp mlp, INorm afterMlp, INorm beforeRouter, INorm beforeExperts, MixtureOfExperts experts, INorm afterExperts) : ISublayer
{
    public void Forward(ForwardContext context, Matrix x, Matrix y, bool add)
    {
        Matrix normed = context.Scratch(Scratch.Normed, x.Columns), features = context.Scratch(Scratch.Values, x.Columns);
        beforeRouter.Forward(context, x, features);
        beforeExperts.Forward(context, x, normed);
        var routed = context.Scratch(Scratch.Attention, x.Columns);
        experts.Forward(context, features, normed, routed, add: false);
        afterExperts.Forward(context, routed, routed);

        beforeMlp.Forward(context, x, normed);
        var dense = context.Scratch(Scratch.Values, x.Columns);
        mlp.Forward(context, normed, dense, add: false);
        afterMlp.Forward(context, dense, dense);
        if (!add) y.Clear();
        context.Kernels.Add(dense, y);
        context.Kernels.Add(routed, y);
    }
}

/// <summary>Multiplies the residual stream.</summary>
internal sealed class ScaledLayer(float factor) : ILayer
{
    public void Forward(ForwardContext context, Matrix hidden) => context.Kernels.Scale(hidden, factor);
}
