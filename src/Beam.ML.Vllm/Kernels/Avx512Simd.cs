using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

/// <summary>512-bit vectors: 32 registers of 16 floats.</summary>
internal readonly unsafe partial struct Avx512Simd : ISimd<Vector512<float>>
{
    public static int Width => 16;

    public static int MaxRows => 12;

    public static Vector512<float> Zero => Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector512<float> value) => value.Store(target);

    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    public static Vector512<float> Sub(Vector512<float> a, Vector512<float> b) => a - b;

    public static Vector512<float> Mul(Vector512<float> a, Vector512<float> b) => a * b;

    public static Vector512<float> Div(Vector512<float> a, Vector512<float> b) => a / b;

    public static Vector512<float> Max(Vector512<float> a, Vector512<float> b) => Avx512F.Max(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fma(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Avx512F.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> value)
    {
        // The operand that may not be a number comes second: then it is what Max and Min return.
        var x = Avx512F.Min(Vector512.Create(ExpPolynomial.Highest), Avx512F.Max(Vector512.Create(-105f), value));
        var shifted = Fma(x, Vector512.Create(ExpPolynomial.Log2E), Vector512.Create(ExpPolynomial.Shift));
        var n = shifted - Vector512.Create(ExpPolynomial.Shift);
        var r = Fma(n, Vector512.Create(ExpPolynomial.MinusLn2Low), Fma(n, Vector512.Create(ExpPolynomial.MinusLn2High), x));
        var p = Fma(Vector512.Create(ExpPolynomial.C7), r, Vector512.Create(ExpPolynomial.C6));
        p = Fma(p, r, Vector512.Create(ExpPolynomial.C5));
        p = Fma(p, r, Vector512.Create(ExpPolynomial.C4));
        p = Fma(p, r, Vector512.Create(ExpPolynomial.C3));
        p = Fma(p, r, Vector512.Create(ExpPolynomial.C2));
        p = Fma(p, r, Vector512<float>.One);
        p = Fma(p, r, Vector512<float>.One);
        return Avx512F.Scale(p, n);
    }

    public static float Sum(Vector512<float> value) => Avx2Simd.Sum(value.GetLower() + value.GetUpper());

    public static float MaxLane(Vector512<float> value) => Avx2Simd.MaxLane(Vector256.Max(value.GetLower(), value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadLowHalves(ushort* source) => (Vector512.Load((uint*)source) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(nint address) => Sse.Prefetch0((void*)address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadHighHalves(ushort* source) =>
        (Vector512.Load((uint*)source) & Vector512.Create(0xFFFF0000u)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBFloat16(ushort* source) =>
        (Avx512F.ConvertToVector512UInt32(Vector256.Load(source)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadInt8(sbyte* source) =>
        Avx512F.ConvertToVector512Single(Avx512F.ConvertToVector512Int32(Vector128.Load(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16(ushort* target, Vector512<float> value)
    {
        var bits = value.AsUInt32();
        bits += Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512<uint>.One);
        Avx512F.ConvertToVector256UInt16(bits >> 16).Store(target);
    }
}
