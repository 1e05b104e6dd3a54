using System.Numerics;
using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary><see cref="Vector{T}"/>: the vectors of any machine that .NET runs on.</summary>
internal readonly unsafe partial struct PortableSimd : ISimd<Vector<float>>
{
    public static int Width => Vector<float>.Count;

    public static int MaxRows => 6;

    public static Vector<float> Zero => Vector<float>.Zero;

    public static Vector<float> Broadcast(float value) => new(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Load(float* source) => Vector.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector<float> value) => Vector.Store(value, target);

    public static Vector<float> Add(Vector<float> a, Vector<float> b) => a + b;

    public static Vector<float> Sub(Vector<float> a, Vector<float> b) => a - b;

    public static Vector<float> Mul(Vector<float> a, Vector<float> b) => a * b;

    public static Vector<float> Div(Vector<float> a, Vector<float> b) => a / b;

    public static Vector<float> Max(Vector<float> a, Vector<float> b) => Vector.Max(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Fma(Vector<float> a, Vector<float> b, Vector<float> c) => Vector.MultiplyAddEstimate(a, b, c);

    public static Vector<float> Exp(Vector<float> value) => Vector.Exp(value);

    public static float Sum(Vector<float> value)
    {
        var sum = 0f;
        for (var i = 0; i < Vector<float>.Count; i++) sum += value[i];
        return sum;
    }

    public static float MaxLane(Vector<float> value)
    {
        var max = value[0];
        for (var i = 1; i < Vector<float>.Count; i++) max = MathF.Max(max, value[i]);
        return max;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> LoadLowHalves(ushort* source) => Vector.AsVectorSingle(Vector.Load((uint*)source) << 16);

    public static void Prefetch(nint address)
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> LoadHighHalves(ushort* source) =>
        Vector.AsVectorSingle(Vector.Load((uint*)source) & new Vector<uint>(0xFFFF0000u));

    public static Vector<float> LoadBFloat16(ushort* source)
    {
        var lanes = stackalloc float[Vector<float>.Count];
        for (var i = 0; i < Vector<float>.Count; i++) lanes[i] = BFloat16Bits.ToSingle(source[i]);
        return Vector.Load(lanes);
    }

    public static Vector<float> LoadInt8(sbyte* source)
    {
        var lanes = stackalloc float[Vector<float>.Count];
        for (var i = 0; i < Vector<float>.Count; i++) lanes[i] = source[i];
        return Vector.Load(lanes);
    }

    public static void StoreBFloat16(ushort* target, Vector<float> value)
    {
        for (var i = 0; i < Vector<float>.Count; i++) target[i] = BFloat16Bits.FromSingle(value[i]);
    }
}

/// <summary>Scalar conversions of the upper half of a float.</summary>
internal static class BFloat16Bits
{
    public static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Rounds to nearest even; a NaN stays one.</summary>
    public static ushort FromSingle(float value)
    {
        if (float.IsNaN(value)) return 0x7FC0;
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
