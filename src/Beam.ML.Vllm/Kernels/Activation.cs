namespace Beam.ML.Vllm.Kernels;

/// <summary>The non-linear functions between the matrices of an MLP.</summary>
internal enum ActivationKind
{
    /// <summary>x Φ(x), with the tanh approximation.</summary>
    GeluTanh,

    /// <summary>x Φ(x), to within the precision of floats.</summary>
    Gelu,

    /// <summary>x σ(1.702 x).</summary>
    QuickGelu,

    /// <summary>x σ(x).</summary>
    Silu,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>Gated only: min(g, limit) σ(α min(g, limit)) × (clamp(u, ±limit) + 1).</summary>
    ClampedSwiGlu,
}

/// <param name="Kind">The function.</param>
/// <param name="Alpha">Of <see cref="ActivationKind.ClampedSwiGlu"/>: how steep the gate is.</param>
/// <param name="Limit">Of <see cref="ActivationKind.ClampedSwiGlu"/>: the largest value that passes.</param>
internal readonly record struct Activation(ActivationKind Kind, float Alpha = 1, float Limit = float.PositiveInfinity)
{
    public static Activation GeluTanh => new(ActivationKind.GeluTanh);

    public static Activation Gelu => new(ActivationKind.Gelu);

    public static Activation QuickGelu => new(ActivationKind.QuickGelu);

    public static Activation Silu => new(ActivationKind.Silu);

    public static Activation Relu => new(ActivationKind.Relu);
}
