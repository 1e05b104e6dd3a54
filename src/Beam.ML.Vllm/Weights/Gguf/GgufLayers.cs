namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Parts of a layer that several families share.</summary>
internal static class GgufLayers
{
    /// <summary>A matrix, and its bias where the checkpoint has one.</summary>
    public static void Projection(GgufModel model, string name, string from)
    {
        model.Matrix($"{name}.weight", $"{from}.weight");
        model.OptionalBias($"{name}.bias", $"{from}.bias");
    }

    /// <summary>q_proj, k_proj, v_proj, o_proj, and q_norm and k_norm where the checkpoint has them.</summary>
    public static void Attention(GgufModel model, string block, string from, float normOffset = 0)
    {
        Projection(model, $"{block}.attn_q", $"{from}.q_proj");
        Projection(model, $"{block}.attn_k", $"{from}.k_proj");
        Projection(model, $"{block}.attn_v", $"{from}.v_proj");
        Projection(model, $"{block}.attn_output", $"{from}.o_proj");
        if (!model.Has($"{from}.q_norm.weight")) return;
        model.Norm($"{block}.attn_q_norm.weight", $"{from}.q_norm.weight", normOffset);
        model.Norm($"{block}.attn_k_norm.weight", $"{from}.k_norm.weight", normOffset);
    }

    public static void Mlp(GgufModel model, string block, string from)
    {
        Projection(model, $"{block}.ffn_gate", $"{from}.gate_proj");
        Projection(model, $"{block}.ffn_up", $"{from}.up_proj");
        Projection(model, $"{block}.ffn_down", $"{from}.down_proj");
    }

    /// <summary>A router, and the matrices of all experts stacked.</summary>
    public static void Mixture(GgufModel model, string block, string from, string gate, string up, string down)
    {
        model.Matrix($"{block}.ffn_gate_inp.weight", $"{from}.gate.weight");
        foreach (var (name, part) in (IEnumerable<(string, string)>)[("gate", gate), ("up", up), ("down", down)])
            model.Stacked($"{block}.ffn_{name}_exps.weight", [.. Enumerable.Range(0, model.Experts).Select(e => model.Source($"{from}.experts.{e}.{part}.weight"))]);
    }
}
