using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

internal readonly struct Int8Codes<TSimd, TVec> : ICodeFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int PerWord => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Read(TVec words, int place) => TSimd.Int8(words, place);
}

internal readonly struct Int4Codes<TSimd, TVec> : ICodeFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int PerWord => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Read(TVec words, int place) => TSimd.Int4(words, place);
}

internal readonly struct Float4Codes<TSimd, TVec> : ICodeFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int PerWord => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Read(TVec words, int place) => TSimd.Float4(words, place);
}

internal readonly struct Float8E4M3Codes<TSimd, TVec> : ICodeFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int PerWord => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Read(TVec words, int place) => TSimd.Float8(words, place, 4);
}

internal readonly struct Float8E5M2Codes<TSimd, TVec> : ICodeFormat<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public static int PerWord => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVec Read(TVec words, int place) => TSimd.Float8(words, place, 5);
}
