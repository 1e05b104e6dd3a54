using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// A few rows against codes as they are: each code is read once for all rows, and nothing decoded is put down in between. Unrolled by
/// hand so that every accumulator has a register.
/// </summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Codes2<TCode>(byte* block, QuantizedMatrix weights, float* x, float* sums, float* tile) where TCode : struct, ICodeFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        int end = weights.ScalesOffset, vector = TSimd.Width * sizeof(float);
        for (var offset = 0; offset < end; offset += 2 * vector)
        {
            Prefetch(block + offset + weights.PanelBytes);
            TVec lowWords = TSimd.Load((float*)(block + offset)), highWords = TSimd.Load((float*)(block + offset + vector));
            for (var half = 0; half < TCode.PerWord / 4; half++, lowWords = TSimd.ShiftRight(lowWords, 4), highWords = TSimd.ShiftRight(highWords, 4))
            {
                TVec lowRest = lowWords, highRest = highWords;
                for (var place = 0; place < 4; place++, lowRest = TSimd.ShiftRight(lowRest, 8), highRest = TSimd.ShiftRight(highRest, 8), x += 2)
                {
                    TVec low = TCode.Read(lowRest, 0), high = TCode.Read(highRest, 0), a;
                    a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
                    a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
                }
            }
        }

        tile = EndBlock(block, weights, sums[0], l0, h0, tile);
        EndBlock(block, weights, sums[1], l1, h1, tile);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Codes4<TCode>(byte* block, QuantizedMatrix weights, float* x, float* sums, float* tile) where TCode : struct, ICodeFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        int end = weights.ScalesOffset, vector = TSimd.Width * sizeof(float);
        for (var offset = 0; offset < end; offset += 2 * vector)
        {
            Prefetch(block + offset + weights.PanelBytes);
            TVec lowWords = TSimd.Load((float*)(block + offset)), highWords = TSimd.Load((float*)(block + offset + vector));
            for (var half = 0; half < TCode.PerWord / 4; half++, lowWords = TSimd.ShiftRight(lowWords, 4), highWords = TSimd.ShiftRight(highWords, 4))
            {
                TVec lowRest = lowWords, highRest = highWords;
                for (var place = 0; place < 4; place++, lowRest = TSimd.ShiftRight(lowRest, 8), highRest = TSimd.ShiftRight(highRest, 8), x += 4)
                {
                    TVec low = TCode.Read(lowRest, 0), high = TCode.Read(highRest, 0), a;
                    a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
                    a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
                    a = TSimd.Broadcast(x[2]); l2 = TSimd.Fma(a, low, l2); h2 = TSimd.Fma(a, high, h2);
                    a = TSimd.Broadcast(x[3]); l3 = TSimd.Fma(a, low, l3); h3 = TSimd.Fma(a, high, h3);
                }
            }
        }

        tile = EndBlock(block, weights, sums[0], l0, h0, tile);
        tile = EndBlock(block, weights, sums[1], l1, h1, tile);
        tile = EndBlock(block, weights, sums[2], l2, h2, tile);
        EndBlock(block, weights, sums[3], l3, h3, tile);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Codes6<TCode>(byte* block, QuantizedMatrix weights, float* x, float* sums, float* tile) where TCode : struct, ICodeFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        TVec l4 = TSimd.Zero, h4 = TSimd.Zero;
        TVec l5 = TSimd.Zero, h5 = TSimd.Zero;
        int end = weights.ScalesOffset, vector = TSimd.Width * sizeof(float);
        for (var offset = 0; offset < end; offset += 2 * vector)
        {
            Prefetch(block + offset + weights.PanelBytes);
            TVec lowWords = TSimd.Load((float*)(block + offset)), highWords = TSimd.Load((float*)(block + offset + vector));
            for (var half = 0; half < TCode.PerWord / 4; half++, lowWords = TSimd.ShiftRight(lowWords, 4), highWords = TSimd.ShiftRight(highWords, 4))
            {
                TVec lowRest = lowWords, highRest = highWords;
                for (var place = 0; place < 4; place++, lowRest = TSimd.ShiftRight(lowRest, 8), highRest = TSimd.ShiftRight(highRest, 8), x += 6)
                {
                    TVec low = TCode.Read(lowRest, 0), high = TCode.Read(highRest, 0), a;
                    a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
                    a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
                    a = TSimd.Broadcast(x[2]); l2 = TSimd.Fma(a, low, l2); h2 = TSimd.Fma(a, high, h2);
                    a = TSimd.Broadcast(x[3]); l3 = TSimd.Fma(a, low, l3); h3 = TSimd.Fma(a, high, h3);
                    a = TSimd.Broadcast(x[4]); l4 = TSimd.Fma(a, low, l4); h4 = TSimd.Fma(a, high, h4);
                    a = TSimd.Broadcast(x[5]); l5 = TSimd.Fma(a, low, l5); h5 = TSimd.Fma(a, high, h5);
                }
            }
        }

        tile = EndBlock(block, weights, sums[0], l0, h0, tile);
        tile = EndBlock(block, weights, sums[1], l1, h1, tile);
        tile = EndBlock(block, weights, sums[2], l2, h2, tile);
        tile = EndBlock(block, weights, sums[3], l3, h3, tile);
        tile = EndBlock(block, weights, sums[4], l4, h4, tile);
        EndBlock(block, weights, sums[5], l5, h5, tile);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Codes8<TCode>(byte* block, QuantizedMatrix weights, float* x, float* sums, float* tile) where TCode : struct, ICodeFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        TVec l4 = TSimd.Zero, h4 = TSimd.Zero;
        TVec l5 = TSimd.Zero, h5 = TSimd.Zero;
        TVec l6 = TSimd.Zero, h6 = TSimd.Zero;
        TVec l7 = TSimd.Zero, h7 = TSimd.Zero;
        int end = weights.ScalesOffset, vector = TSimd.Width * sizeof(float);
        for (var offset = 0; offset < end; offset += 2 * vector)
        {
            Prefetch(block + offset + weights.PanelBytes);
            TVec lowWords = TSimd.Load((float*)(block + offset)), highWords = TSimd.Load((float*)(block + offset + vector));
            for (var half = 0; half < TCode.PerWord / 4; half++, lowWords = TSimd.ShiftRight(lowWords, 4), highWords = TSimd.ShiftRight(highWords, 4))
            {
                TVec lowRest = lowWords, highRest = highWords;
                for (var place = 0; place < 4; place++, lowRest = TSimd.ShiftRight(lowRest, 8), highRest = TSimd.ShiftRight(highRest, 8), x += 8)
                {
                    TVec low = TCode.Read(lowRest, 0), high = TCode.Read(highRest, 0), a;
                    a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
                    a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
                    a = TSimd.Broadcast(x[2]); l2 = TSimd.Fma(a, low, l2); h2 = TSimd.Fma(a, high, h2);
                    a = TSimd.Broadcast(x[3]); l3 = TSimd.Fma(a, low, l3); h3 = TSimd.Fma(a, high, h3);
                    a = TSimd.Broadcast(x[4]); l4 = TSimd.Fma(a, low, l4); h4 = TSimd.Fma(a, high, h4);
                    a = TSimd.Broadcast(x[5]); l5 = TSimd.Fma(a, low, l5); h5 = TSimd.Fma(a, high, h5);
                    a = TSimd.Broadcast(x[6]); l6 = TSimd.Fma(a, low, l6); h6 = TSimd.Fma(a, high, h6);
                    a = TSimd.Broadcast(x[7]); l7 = TSimd.Fma(a, low, l7); h7 = TSimd.Fma(a, high, h7);
                }
            }
        }

        tile = EndBlock(block, weights, sums[0], l0, h0, tile);
        tile = EndBlock(block, weights, sums[1], l1, h1, tile);
        tile = EndBlock(block, weights, sums[2], l2, h2, tile);
        tile = EndBlock(block, weights, sums[3], l3, h3, tile);
        tile = EndBlock(block, weights, sums[4], l4, h4, tile);
        tile = EndBlock(block, weights, sums[5], l5, h5, tile);
        tile = EndBlock(block, weights, sums[6], l6, h6, tile);
        EndBlock(block, weights, sums[7], l7, h7, tile);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Codes12<TCode>(byte* block, QuantizedMatrix weights, float* x, float* sums, float* tile) where TCode : struct, ICodeFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        TVec l4 = TSimd.Zero, h4 = TSimd.Zero;
        TVec l5 = TSimd.Zero, h5 = TSimd.Zero;
        TVec l6 = TSimd.Zero, h6 = TSimd.Zero;
        TVec l7 = TSimd.Zero, h7 = TSimd.Zero;
        TVec l8 = TSimd.Zero, h8 = TSimd.Zero;
        TVec l9 = TSimd.Zero, h9 = TSimd.Zero;
        TVec l10 = TSimd.Zero, h10 = TSimd.Zero;
        TVec l11 = TSimd.Zero, h11 = TSimd.Zero;
        int end = weights.ScalesOffset, vector = TSimd.Width * sizeof(float);
        for (var offset = 0; offset < end; offset += 2 * vector)
        {
            Prefetch(block + offset + weights.PanelBytes);
            TVec lowWords = TSimd.Load((float*)(block + offset)), highWords = TSimd.Load((float*)(block + offset + vector));
            for (var half = 0; half < TCode.PerWord / 4; half++, lowWords = TSimd.ShiftRight(lowWords, 4), highWords = TSimd.ShiftRight(highWords, 4))
            {
                TVec lowRest = lowWords, highRest = highWords;
                for (var place = 0; place < 4; place++, lowRest = TSimd.ShiftRight(lowRest, 8), highRest = TSimd.ShiftRight(highRest, 8), x += 12)
                {
                    TVec low = TCode.Read(lowRest, 0), high = TCode.Read(highRest, 0), a;
                    a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
                    a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
                    a = TSimd.Broadcast(x[2]); l2 = TSimd.Fma(a, low, l2); h2 = TSimd.Fma(a, high, h2);
                    a = TSimd.Broadcast(x[3]); l3 = TSimd.Fma(a, low, l3); h3 = TSimd.Fma(a, high, h3);
                    a = TSimd.Broadcast(x[4]); l4 = TSimd.Fma(a, low, l4); h4 = TSimd.Fma(a, high, h4);
                    a = TSimd.Broadcast(x[5]); l5 = TSimd.Fma(a, low, l5); h5 = TSimd.Fma(a, high, h5);
                    a = TSimd.Broadcast(x[6]); l6 = TSimd.Fma(a, low, l6); h6 = TSimd.Fma(a, high, h6);
                    a = TSimd.Broadcast(x[7]); l7 = TSimd.Fma(a, low, l7); h7 = TSimd.Fma(a, high, h7);
                    a = TSimd.Broadcast(x[8]); l8 = TSimd.Fma(a, low, l8); h8 = TSimd.Fma(a, high, h8);
                    a = TSimd.Broadcast(x[9]); l9 = TSimd.Fma(a, low, l9); h9 = TSimd.Fma(a, high, h9);
                    a = TSimd.Broadcast(x[10]); l10 = TSimd.Fma(a, low, l10); h10 = TSimd.Fma(a, high, h10);
                    a = TSimd.Broadcast(x[11]); l11 = TSimd.Fma(a, low, l11); h11 = TSimd.Fma(a, high, h11);
                }
            }
        }

        tile = EndBlock(block, weights, sums[0], l0, h0, tile);
        tile = EndBlock(block, weights, sums[1], l1, h1, tile);
        tile = EndBlock(block, weights, sums[2], l2, h2, tile);
        tile = EndBlock(block, weights, sums[3], l3, h3, tile);
        tile = EndBlock(block, weights, sums[4], l4, h4, tile);
        tile = EndBlock(block, weights, sums[5], l5, h5, tile);
        tile = EndBlock(block, weights, sums[6], l6, h6, tile);
        tile = EndBlock(block, weights, sums[7], l7, h7, tile);
        tile = EndBlock(block, weights, sums[8], l8, h8, tile);
        tile = EndBlock(block, weights, sums[9], l9, h9, tile);
        tile = EndBlock(block, weights, sums[10], l10, h10, tile);
        EndBlock(block, weights, sums[11], l11, h11, tile);
    }
}
