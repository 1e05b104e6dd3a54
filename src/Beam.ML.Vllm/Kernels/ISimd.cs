using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// The vector operations that kernels are written in. A kernel is written once over this interface; as implementations and vectors are
/// value types, the JIT compiles it for each instruction set with every call inlined.
/// </summary>
/// <typeparam name="TVec">A vector of <see cref="Width"/> floats.</typeparam>
internal unsafe interface ISimd<TVec> : ICodeSimd<TVec> where TVec : struct
{
    /// <summary>Floats in a vector: 16, 8, or what the machine has (at most 16).</summary>
    static abstract int Width { get; }

    /// <summary>Rows that the widest matrix kernel computes at a time: as many as the registers hold accumulators for.</summary>
    static abstract int MaxRows { get; }

    static abstract TVec Zero { get; }

    static abstract TVec Broadcast(float value);

    static abstract TVec Load(float* source);

    static abstract void Store(float* target, TVec value);

    static abstract TVec Add(TVec a, TVec b);

    static abstract TVec Sub(TVec a, TVec b);

    static abstract TVec Mul(TVec a, TVec b);

    static abstract TVec Div(TVec a, TVec b);

    static abstract TVec Max(TVec a, TVec b);

    /// <summary>a × b + c, rounded once where the machine can.</summary>
    static abstract TVec Fma(TVec a, TVec b, TVec c);

    /// <summary>e to each lane, to within two units in the last place; zero below −87 at the latest, huge or infinite above 88.</summary>
    static abstract TVec Exp(TVec value);

    /// <summary>The sum of all lanes, always in the same order.</summary>
    static abstract float Sum(TVec value);

    static abstract float MaxLane(TVec value);

    /// <summary>The floats in the low halves of Width 32-bit words: an even input of Width columns of a bfloat16 panel.</summary>
    static abstract TVec LoadLowHalves(ushort* source);

    /// <summary>The floats in the high halves: the input after it.</summary>
    static abstract TVec LoadHighHalves(ushort* source);

    /// <summary>Asks for the cache line at an address that need not exist, where the machine can.</summary>
    static abstract void Prefetch(nint address);

    /// <summary>Width consecutive bfloat16 numbers.</summary>
    static abstract TVec LoadBFloat16(ushort* source);

    /// <summary>Width consecutive signed bytes.</summary>
    static abstract TVec LoadInt8(sbyte* source);

    /// <summary>Rounds to nearest even and stores Width consecutive bfloat16 numbers.</summary>
    static abstract void StoreBFloat16(ushort* target, TVec value);
}

/// <summary>Loads and stores of fewer lanes than a vector has; missing lanes read as zero.</summary>
internal static unsafe class Partial<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Load(float* source, int count) => count >= TSimd.Width ? TSimd.Load(source) : LoadTail(source, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, TVec value, int count)
    {
        if (count >= TSimd.Width) TSimd.Store(target, value);
        else StoreTail(target, value, count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TVec LoadTail(float* source, int count)
    {
        var lanes = stackalloc float[16];
        for (var i = 0; i < 16; i++) lanes[i] = i < count ? source[i] : 0;
        return TSimd.Load(lanes);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreTail(float* target, TVec value, int count)
    {
        var lanes = stackalloc float[16];
        TSimd.Store(lanes, value);
        for (var i = 0; i < count; i++) target[i] = lanes[i];
    }
}
