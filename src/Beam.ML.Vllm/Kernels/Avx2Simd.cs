using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

/// <summary>256-bit vectors with FMA: 16 registers of 8 floats.</summary>
internal readonly unsafe partial struct Avx2Simd : ISimd<Vector256<float>>
{
    public static int Width => 8;

    public static int MaxRows => 6;

    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector256<float> value) => value.Store(target);

    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    public static Vector256<float> Sub(Vector256<float> a, Vector256<float> b) => a - b;

    public static Vector256<float> Mul(Vector256<float> a, Vector256<float> b) => a * b;

    public static Vector256<float> Div(Vector256<float> a, Vector256<float> b) => a / b;

    public static Vector256<float> Max(Vector256<float> a, Vector256<float> b) => Avx.Max(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fma(Vector256<float> a, Vector256<float> b, Vector256<float> c) =>
        System.Runtime.Intrinsics.X86.Fma.MultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> value)
    {
        // The operand that may not be a number comes second: then it is what Max and Min return.
        var lowest = Vector256.Create(ExpPolynomial.Lowest);
        var x = Avx.Min(Vector256.Create(ExpPolynomial.Highest), Avx.Max(lowest, value));
        var shifted = Fma(x, Vector256.Create(ExpPolynomial.Log2E), Vector256.Create(ExpPolynomial.Shift));
        var n = shifted - Vector256.Create(ExpPolynomial.Shift);
        var r = Fma(n, Vector256.Create(ExpPolynomial.MinusLn2Low), Fma(n, Vector256.Create(ExpPolynomial.MinusLn2High), x));
        var p = Fma(Vector256.Create(ExpPolynomial.C7), r, Vector256.Create(ExpPolynomial.C6));
        p = Fma(p, r, Vector256.Create(ExpPolynomial.C5));
        p = Fma(p, r, Vector256.Create(ExpPolynomial.C4));
        p = Fma(p, r, Vector256.Create(ExpPolynomial.C3));
        p = Fma(p, r, Vector256.Create(ExpPolynomial.C2));
        p = Fma(p, r, Vector256<float>.One);
        p = Fma(p, r, Vector256<float>.One);

        // The last bits of what was shifted are n as a whole number, which goes to the exponent.
        var scaled = (p.AsInt32() + (shifted.AsInt32() << 23)).AsSingle();
        return Vector256.AndNot(scaled, Vector256.LessThan(value, lowest));
    }

    public static float Sum(Vector256<float> value)
    {
        var four = value.GetLower() + value.GetUpper();
        return four[0] + four[2] + (four[1] + four[3]);
    }

    public static float MaxLane(Vector256<float> value)
    {
        var four = Vector128.Max(value.GetLower(), value.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[2]), MathF.Max(four[1], four[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadLowHalves(ushort* source) => (Vector256.Load((uint*)source) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(nint address) => Sse.Prefetch0((void*)address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadHighHalves(ushort* source) =>
        (Vector256.Load((uint*)source) & Vector256.Create(0xFFFF0000u)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadBFloat16(ushort* source) =>
        (Avx2.ConvertToVector256Int32(Vector128.Load(source)).AsUInt32() << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadInt8(sbyte* source) =>
        Avx.ConvertToVector256Single(Avx2.ConvertToVector256Int32(Vector128.CreateScalarUnsafe(*(long*)source).AsSByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16(ushort* target, Vector256<float> value)
    {
        var bits = value.AsUInt32();
        bits += Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One);
        bits >>= 16;
        Vector128.Narrow(bits.GetLower(), bits.GetUpper()).Store(target);
    }
}
