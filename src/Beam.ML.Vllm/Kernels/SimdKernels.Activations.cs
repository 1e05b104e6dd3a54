using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Activations: each element by itself.</summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    public override void Activate(Activation activation, Matrix x)
    {
        var shared = (long)x.Rows * x.Columns > WorthSharing / 8;
        switch (activation.Kind)
        {
            case ActivationKind.GeluTanh: Run<GeluTanh>(activation, x, x, x, gated: false, shared); break;
            case ActivationKind.Gelu: Run<Gelu>(activation, x, x, x, gated: false, shared); break;
            case ActivationKind.QuickGelu: Run<QuickGelu>(activation, x, x, x, gated: false, shared); break;
            case ActivationKind.Silu: Run<Silu>(activation, x, x, x, gated: false, shared); break;
            case ActivationKind.Relu: Run<Relu>(activation, x, x, x, gated: false, shared); break;
            default: throw new ArgumentException($"{activation.Kind} needs a gate.");
        }
    }

    public override void ActivateAndMultiply(Activation activation, Matrix gate, Matrix up, Matrix y)
    {
        var shared = (long)y.Rows * y.Columns > WorthSharing / 8;
        switch (activation.Kind)
        {
            case ActivationKind.GeluTanh: Run<GeluTanh>(activation, gate, up, y, gated: true, shared); break;
            case ActivationKind.Gelu: Run<Gelu>(activation, gate, up, y, gated: true, shared); break;
            case ActivationKind.QuickGelu: Run<QuickGelu>(activation, gate, up, y, gated: true, shared); break;
            case ActivationKind.Silu: Run<Silu>(activation, gate, up, y, gated: true, shared); break;
            case ActivationKind.Relu: Run<Relu>(activation, gate, up, y, gated: true, shared); break;
            default: Run<ClampedSwiGlu>(activation, gate, up, y, gated: true, shared); break;
        }
    }

    public override void SoftCap(Matrix x, float cap)
    {
        var work = new SoftCapWork { X = x, Cap = cap };
        Pool.Run(ref work, (long)x.Rows * x.Columns > WorthSharing / 8);
    }

    private void Run<TFunction>(Activation activation, Matrix gate, Matrix up, Matrix y, bool gated, bool shared)
        where TFunction : struct, IFunction
    {
        var work = new ActivationWork<TFunction> { Activation = activation, Gate = gate, Up = up, Y = y, Gated = gated };
        Pool.Run(ref work, shared);
    }

    /// <summary>cap × tanh(x / cap) = cap − 2 cap / (1 + e^(2x / cap)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec SoftCap(TVec x, TVec twiceInverse, TVec cap, TVec twiceCap) =>
        TSimd.Sub(cap, TSimd.Div(twiceCap, TSimd.Add(TSimd.Broadcast(1), TSimd.Exp(TSimd.Mul(x, twiceInverse)))));

    private interface IFunction
    {
        static abstract TVec Apply(TVec gate);

        static abstract TVec Apply(TVec gate, TVec up, TVec alpha, TVec limit);
    }

    private readonly struct GeluTanh : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec g)
        {
            // ½ g (1 + tanh z) = g / (1 + e^(-2z)), z = √(2/π) (g + 0.044715 g³)
            TVec linear = TSimd.Broadcast(-1.5957691216057308f), cubic = TSimd.Broadcast(-0.07135481627f);
            var minus2z = TSimd.Mul(g, TSimd.Fma(TSimd.Mul(g, g), cubic, linear));
            return TSimd.Div(g, TSimd.Add(TSimd.Broadcast(1), TSimd.Exp(minus2z)));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec gate, TVec up, TVec alpha, TVec limit) => TSimd.Mul(Apply(gate), up);
    }

    private readonly struct Gelu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec g)
        {
            // Φ(−|g|) = ½ P(t) e^(−z²), z = |g| / √2, t = 1 / (1 + 0.3275911 z), P of degree 5 without a constant (Abramowitz and Stegun
            // 7.1.26); g Φ(g) is then max(g, 0) − |g| Φ(−|g|), without cancellation on either side.
            TVec one = TSimd.Broadcast(1), magnitude = TSimd.Max(g, TSimd.Sub(TSimd.Zero, g));
            var t = TSimd.Div(one, TSimd.Fma(magnitude, TSimd.Broadcast(0.3275911f * 0.70710678f), one));
            var p = TSimd.Fma(t, TSimd.Broadcast(0.5f * 1.061405429f), TSimd.Broadcast(0.5f * -1.453152027f));
            p = TSimd.Fma(t, p, TSimd.Broadcast(0.5f * 1.421413741f));
            p = TSimd.Fma(t, p, TSimd.Broadcast(0.5f * -0.284496736f));
            p = TSimd.Fma(t, p, TSimd.Broadcast(0.5f * 0.254829592f));
            var tail = TSimd.Mul(TSimd.Mul(t, p), TSimd.Exp(TSimd.Mul(TSimd.Mul(g, g), TSimd.Broadcast(-0.5f))));
            return TSimd.Sub(TSimd.Max(TSimd.Zero, g), TSimd.Mul(magnitude, tail));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec gate, TVec up, TVec alpha, TVec limit) => TSimd.Mul(Apply(gate), up);
    }

    private readonly struct QuickGelu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec g) =>
            TSimd.Div(g, TSimd.Add(TSimd.Broadcast(1), TSimd.Exp(TSimd.Mul(g, TSimd.Broadcast(-1.702f)))));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec gate, TVec up, TVec alpha, TVec limit) => TSimd.Mul(Apply(gate), up);
    }

    private readonly struct Silu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec g) => TSimd.Div(g, TSimd.Add(TSimd.Broadcast(1), TSimd.Exp(TSimd.Sub(TSimd.Zero, g))));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec gate, TVec up, TVec alpha, TVec limit) => TSimd.Mul(Apply(gate), up);
    }

    private readonly struct Relu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec g) => TSimd.Max(g, TSimd.Zero);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec gate, TVec up, TVec alpha, TVec limit) => TSimd.Mul(Apply(gate), up);
    }

    private readonly struct ClampedSwiGlu : IFunction
    {
        public static TVec Apply(TVec gate) => throw new InvalidOperationException("This function needs a gate.");

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVec Apply(TVec gate, TVec up, TVec alpha, TVec limit)
        {
            var g = Min(gate, limit);
            var u = TSimd.Max(Min(up, limit), TSimd.Sub(TSimd.Zero, limit));
            var one = TSimd.Broadcast(1);
            var swish = TSimd.Div(g, TSimd.Add(one, TSimd.Exp(TSimd.Sub(TSimd.Zero, TSimd.Mul(alpha, g)))));
            return TSimd.Mul(swish, TSimd.Add(u, one));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TVec Min(TVec a, TVec b) => TSimd.Sub(TSimd.Zero, TSimd.Max(TSimd.Sub(TSimd.Zero, a), TSimd.Sub(TSimd.Zero, b)));
    }

    private struct ActivationWork<TFunction> : IParallelWork where TFunction : struct, IFunction
    {
        public Activation Activation;
        public Matrix Gate;
        public Matrix Up;
        public Matrix Y;
        public bool Gated;

        public readonly void Run(int part, int parts)
        {
            // A single row is cut into columns: elements do not depend on each other.
            if (Y.Rows == 1)
            {
                var (first, last) = Share((Y.Columns + TSimd.Width - 1) / TSimd.Width, part, parts);
                Compute(0, first * TSimd.Width, Math.Min(last * TSimd.Width, Y.Columns));
                return;
            }

            var (from, to) = Share(Y.Rows, part, parts);
            for (var row = from; row < to; row++) Compute(row, 0, Y.Columns);
        }

        private readonly void Compute(int row, int from, int to)
        {
            if (Gated) Compute(Gate.Row(row), Up.Row(row), Activation.Alpha, Activation.Limit, from, to, Y.Row(row));
            else Compute(Gate.Row(row), from, to, Y.Row(row));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Compute(float* gate, float* up, float alpha, float limit, int from, int to, float* y)
        {
            TVec a = TSimd.Broadcast(alpha), l = TSimd.Broadcast(limit);
            for (var i = from; i < to; i += TSimd.Width)
            {
                TVec g = Partial<TSimd, TVec>.Load(gate + i, to - i), u = Partial<TSimd, TVec>.Load(up + i, to - i);
                Partial<TSimd, TVec>.Store(y + i, TFunction.Apply(g, u, a, l), to - i);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Compute(float* x, int from, int to, float* y)
        {
            for (var i = from; i < to; i += TSimd.Width)
                Partial<TSimd, TVec>.Store(y + i, TFunction.Apply(Partial<TSimd, TVec>.Load(x + i, to - i)), to - i);
        }
    }

    private struct SoftCapWork : IParallelWork
    {
        public Matrix X;
        public float Cap;

        public readonly void Run(int part, int parts)
        {
            TVec twiceInverse = TSimd.Broadcast(2 / Cap), cap = TSimd.Broadcast(Cap), twiceCap = TSimd.Broadcast(2 * Cap);
            var (from, to) = Share((X.Columns + TSimd.Width - 1) / TSimd.Width, part, parts);
            (from, to) = (from * TSimd.Width, Math.Min(to * TSimd.Width, X.Columns));
            for (var row = 0; row < X.Rows; row++)
            {
                var x = X.Row(row);
                for (var i = from; i < to; i += TSimd.Width)
                    Partial<TSimd, TVec>.Store(x + i, SoftCap(Partial<TSimd, TVec>.Load(x + i, to - i), twiceInverse, cap, twiceCap), to - i);
            }
        }
    }
}
