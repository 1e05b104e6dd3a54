using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// The innermost loops of products with quantized weights, unrolled by hand so that every accumulator has a register: one row against
/// codes as they are, and some rows against a block that was decoded for all of them. Results are added, times their scales, to a tile.
/// </summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>Rows of the largest tile.</summary>
    private const int MostTileRows = 12;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* AddScaled(float* tile, TVec low, TVec high, TVec lowScales, TVec highScales)
    {
        TSimd.Store(tile, TSimd.Fma(low, lowScales, TSimd.Load(tile)));
        TSimd.Store(tile + TSimd.Width, TSimd.Fma(high, highScales, TSimd.Load(tile + TSimd.Width)));
        return tile + (2 * TSimd.Width);
    }

    /// <summary>Ends a block of one panel: takes the zero points off and adds the scaled rest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* EndBlock(byte* block, QuantizedMatrix weights, float sum, TVec low, TVec high, float* tile)
    {
        if (weights.Layout.HasZeroPoints)
        {
            var zeros = (ushort*)(block + weights.ZerosOffset);
            var factor = TSimd.Broadcast(-sum);
            low = TSimd.Fma(factor, TSimd.LoadLowHalves(zeros), low);
            high = TSimd.Fma(factor, TSimd.LoadHighHalves(zeros), high);
        }

        var scales = block + weights.ScalesOffset;
        return weights.Layout.HasFloat32Scales
            ? AddScaled(tile, low, high, TSimd.Load((float*)scales), TSimd.Load((float*)scales + TSimd.Width))
            : AddScaled(tile, low, high, TSimd.LoadLowHalves((ushort*)scales), TSimd.LoadHighHalves((ushort*)scales));
    }

    /// <summary>The codes of a column's words times as many inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec AddCodes<TCode>(TVec words, float* x, TVec sum) where TCode : struct, ICodeFormat<TVec>
    {
        sum = TSimd.Fma(TSimd.Broadcast(x[0]), TCode.Read(words, 0), sum);
        sum = TSimd.Fma(TSimd.Broadcast(x[1]), TCode.Read(words, 1), sum);
        sum = TSimd.Fma(TSimd.Broadcast(x[2]), TCode.Read(words, 2), sum);
        sum = TSimd.Fma(TSimd.Broadcast(x[3]), TCode.Read(words, 3), sum);
        if (TCode.PerWord == 4) return sum;
        sum = TSimd.Fma(TSimd.Broadcast(x[4]), TCode.Read(words, 4), sum);
        sum = TSimd.Fma(TSimd.Broadcast(x[5]), TCode.Read(words, 5), sum);
        sum = TSimd.Fma(TSimd.Broadcast(x[6]), TCode.Read(words, 6), sum);
        return TSimd.Fma(TSimd.Broadcast(x[7]), TCode.Read(words, 7), sum);
    }

    /// <summary>One row against the same block of four panels: their chains hide each other's latency.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Codes1Panels4<TCode>(byte* block, long panelBytes, QuantizedMatrix weights, float* x, float sum, float* tile)
        where TCode : struct, ICodeFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero, l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero, l3 = TSimd.Zero, h3 = TSimd.Zero;
        byte* p0 = block, p1 = block + panelBytes, p2 = p1 + panelBytes, p3 = p2 + panelBytes;
        int offset = 0, end = weights.ScalesOffset, high = TSimd.Width * sizeof(float);
        var ahead = 4 * panelBytes;
        for (; offset < end; offset += 2 * high, x += TCode.PerWord)
        {
            Prefetch(p0 + offset + ahead);
            Prefetch(p1 + offset + ahead);
            Prefetch(p2 + offset + ahead);
            Prefetch(p3 + offset + ahead);
            l0 = AddCodes<TCode>(TSimd.Load((float*)(p0 + offset)), x, l0);
            h0 = AddCodes<TCode>(TSimd.Load((float*)(p0 + offset + high)), x, h0);
            l1 = AddCodes<TCode>(TSimd.Load((float*)(p1 + offset)), x, l1);
            h1 = AddCodes<TCode>(TSimd.Load((float*)(p1 + offset + high)), x, h1);
            l2 = AddCodes<TCode>(TSimd.Load((float*)(p2 + offset)), x, l2);
            h2 = AddCodes<TCode>(TSimd.Load((float*)(p2 + offset + high)), x, h2);
            l3 = AddCodes<TCode>(TSimd.Load((float*)(p3 + offset)), x, l3);
            h3 = AddCodes<TCode>(TSimd.Load((float*)(p3 + offset + high)), x, h3);
        }

        tile = EndBlock(p0, weights, sum, l0, h0, tile);
        tile = EndBlock(p1, weights, sum, l1, h1, tile);
        tile = EndBlock(p2, weights, sum, l2, h2, tile);
        EndBlock(p3, weights, sum, l3, h3, tile);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Codes1<TCode>(byte* block, QuantizedMatrix weights, float* x, float sum, float* tile) where TCode : struct, ICodeFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        int offset = 0, end = weights.ScalesOffset, high = TSimd.Width * sizeof(float);
        for (; offset < end; offset += 2 * high, x += TCode.PerWord)
        {
            l0 = AddCodes<TCode>(TSimd.Load((float*)(block + offset)), x, l0);
            h0 = AddCodes<TCode>(TSimd.Load((float*)(block + offset + high)), x, h0);
        }

        EndBlock(block, weights, sum, l0, h0, tile);
    }

    /// <summary>A block as floats, a row of the panel's columns for each input; then a row of scales, and one of zero points with their signs turned.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Decode<TCode>(byte* block, QuantizedMatrix weights, float* target) where TCode : struct, ICodeFormat<TVec>
    {
        int end = weights.ScalesOffset, vector = TSimd.Width * sizeof(float), width = 2 * TSimd.Width;
        for (var offset = 0; offset < end; offset += 2 * vector, target += TCode.PerWord * width)
        {
            Prefetch(block + offset + weights.PanelBytes);
            DecodeWords<TCode>(TSimd.Load((float*)(block + offset)), target, width);
            DecodeWords<TCode>(TSimd.Load((float*)(block + offset + vector)), target + TSimd.Width, width);
        }

        var scales = block + end;
        TSimd.Store(target, weights.Layout.HasFloat32Scales ? TSimd.Load((float*)scales) : TSimd.LoadLowHalves((ushort*)scales));
        TSimd.Store(target + TSimd.Width, weights.Layout.HasFloat32Scales ? TSimd.Load((float*)scales + TSimd.Width) : TSimd.LoadHighHalves((ushort*)scales));
        if (!weights.Layout.HasZeroPoints) return;
        var zeros = (ushort*)(block + weights.ZerosOffset);
        TSimd.Store(target + width, TSimd.Sub(TSimd.Zero, TSimd.LoadLowHalves(zeros)));
        TSimd.Store(target + width + TSimd.Width, TSimd.Sub(TSimd.Zero, TSimd.LoadHighHalves(zeros)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void DecodeWords<TCode>(TVec words, float* target, int width) where TCode : struct, ICodeFormat<TVec>
    {
        TSimd.Store(target, TCode.Read(words, 0));
        TSimd.Store(target + width, TCode.Read(words, 1));
        TSimd.Store(target + (2 * width), TCode.Read(words, 2));
        TSimd.Store(target + (3 * width), TCode.Read(words, 3));
        if (TCode.PerWord == 4) return;
        TSimd.Store(target + (4 * width), TCode.Read(words, 4));
        TSimd.Store(target + (5 * width), TCode.Read(words, 5));
        TSimd.Store(target + (6 * width), TCode.Read(words, 6));
        TSimd.Store(target + (7 * width), TCode.Read(words, 7));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block1(float* decoded, int size, float* x, float* sums, float* tile)
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        for (var k = 0; k < size; k++, decoded += 2 * TSimd.Width, x++)
        {
            TVec low = TSimd.Load(decoded), high = TSimd.Load(decoded + TSimd.Width), a;
            a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
        }

        TVec sl = TSimd.Load(decoded), sh = TSimd.Load(decoded + TSimd.Width);
        if (sums != null)
        {
            TVec zl = TSimd.Load(decoded + (2 * TSimd.Width)), zh = TSimd.Load(decoded + (3 * TSimd.Width)), sum;
            sum = TSimd.Broadcast(sums[0]); l0 = TSimd.Fma(sum, zl, l0); h0 = TSimd.Fma(sum, zh, h0);
        }

        AddScaled(tile, l0, h0, sl, sh);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block2(float* decoded, int size, float* x, float* sums, float* tile)
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        for (var k = 0; k < size; k++, decoded += 2 * TSimd.Width, x += 2)
        {
            TVec low = TSimd.Load(decoded), high = TSimd.Load(decoded + TSimd.Width), a;
            a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
            a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
        }

        TVec sl = TSimd.Load(decoded), sh = TSimd.Load(decoded + TSimd.Width);
        if (sums != null)
        {
            TVec zl = TSimd.Load(decoded + (2 * TSimd.Width)), zh = TSimd.Load(decoded + (3 * TSimd.Width)), sum;
            sum = TSimd.Broadcast(sums[0]); l0 = TSimd.Fma(sum, zl, l0); h0 = TSimd.Fma(sum, zh, h0);
            sum = TSimd.Broadcast(sums[1]); l1 = TSimd.Fma(sum, zl, l1); h1 = TSimd.Fma(sum, zh, h1);
        }

        tile = AddScaled(tile, l0, h0, sl, sh);
        AddScaled(tile, l1, h1, sl, sh);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block4(float* decoded, int size, float* x, float* sums, float* tile)
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        for (var k = 0; k < size; k++, decoded += 2 * TSimd.Width, x += 4)
        {
            TVec low = TSimd.Load(decoded), high = TSimd.Load(decoded + TSimd.Width), a;
            a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
            a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
            a = TSimd.Broadcast(x[2]); l2 = TSimd.Fma(a, low, l2); h2 = TSimd.Fma(a, high, h2);
            a = TSimd.Broadcast(x[3]); l3 = TSimd.Fma(a, low, l3); h3 = TSimd.Fma(a, high, h3);
        }

        TVec sl = TSimd.Load(decoded), sh = TSimd.Load(decoded + TSimd.Width);
        if (sums != null)
        {
            TVec zl = TSimd.Load(decoded + (2 * TSimd.Width)), zh = TSimd.Load(decoded + (3 * TSimd.Width)), sum;
            sum = TSimd.Broadcast(sums[0]); l0 = TSimd.Fma(sum, zl, l0); h0 = TSimd.Fma(sum, zh, h0);
            sum = TSimd.Broadcast(sums[1]); l1 = TSimd.Fma(sum, zl, l1); h1 = TSimd.Fma(sum, zh, h1);
            sum = TSimd.Broadcast(sums[2]); l2 = TSimd.Fma(sum, zl, l2); h2 = TSimd.Fma(sum, zh, h2);
            sum = TSimd.Broadcast(sums[3]); l3 = TSimd.Fma(sum, zl, l3); h3 = TSimd.Fma(sum, zh, h3);
        }

        tile = AddScaled(tile, l0, h0, sl, sh);
        tile = AddScaled(tile, l1, h1, sl, sh);
        tile = AddScaled(tile, l2, h2, sl, sh);
        AddScaled(tile, l3, h3, sl, sh);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block6(float* decoded, int size, float* x, float* sums, float* tile)
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        TVec l4 = TSimd.Zero, h4 = TSimd.Zero;
        TVec l5 = TSimd.Zero, h5 = TSimd.Zero;
        for (var k = 0; k < size; k++, decoded += 2 * TSimd.Width, x += 6)
        {
            TVec low = TSimd.Load(decoded), high = TSimd.Load(decoded + TSimd.Width), a;
            a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
            a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
            a = TSimd.Broadcast(x[2]); l2 = TSimd.Fma(a, low, l2); h2 = TSimd.Fma(a, high, h2);
            a = TSimd.Broadcast(x[3]); l3 = TSimd.Fma(a, low, l3); h3 = TSimd.Fma(a, high, h3);
            a = TSimd.Broadcast(x[4]); l4 = TSimd.Fma(a, low, l4); h4 = TSimd.Fma(a, high, h4);
            a = TSimd.Broadcast(x[5]); l5 = TSimd.Fma(a, low, l5); h5 = TSimd.Fma(a, high, h5);
        }

        TVec sl = TSimd.Load(decoded), sh = TSimd.Load(decoded + TSimd.Width);
        if (sums != null)
        {
            TVec zl = TSimd.Load(decoded + (2 * TSimd.Width)), zh = TSimd.Load(decoded + (3 * TSimd.Width)), sum;
            sum = TSimd.Broadcast(sums[0]); l0 = TSimd.Fma(sum, zl, l0); h0 = TSimd.Fma(sum, zh, h0);
            sum = TSimd.Broadcast(sums[1]); l1 = TSimd.Fma(sum, zl, l1); h1 = TSimd.Fma(sum, zh, h1);
            sum = TSimd.Broadcast(sums[2]); l2 = TSimd.Fma(sum, zl, l2); h2 = TSimd.Fma(sum, zh, h2);
            sum = TSimd.Broadcast(sums[3]); l3 = TSimd.Fma(sum, zl, l3); h3 = TSimd.Fma(sum, zh, h3);
            sum = TSimd.Broadcast(sums[4]); l4 = TSimd.Fma(sum, zl, l4); h4 = TSimd.Fma(sum, zh, h4);
            sum = TSimd.Broadcast(sums[5]); l5 = TSimd.Fma(sum, zl, l5); h5 = TSimd.Fma(sum, zh, h5);
        }

        tile = AddScaled(tile, l0, h0, sl, sh);
        tile = AddScaled(tile, l1, h1, sl, sh);
        tile = AddScaled(tile, l2, h2, sl, sh);
        tile = AddScaled(tile, l3, h3, sl, sh);
        tile = AddScaled(tile, l4, h4, sl, sh);
        AddScaled(tile, l5, h5, sl, sh);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block8(float* decoded, int size, float* x, float* sums, float* tile)
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        TVec l4 = TSimd.Zero, h4 = TSimd.Zero;
        TVec l5 = TSimd.Zero, h5 = TSimd.Zero;
        TVec l6 = TSimd.Zero, h6 = TSimd.Zero;
        TVec l7 = TSimd.Zero, h7 = TSimd.Zero;
        for (var k = 0; k < size; k++, decoded += 2 * TSimd.Width, x += 8)
        {
            TVec low = TSimd.Load(decoded), high = TSimd.Load(decoded + TSimd.Width), a;
            a = TSimd.Broadcast(x[0]); l0 = TSimd.Fma(a, low, l0); h0 = TSimd.Fma(a, high, h0);
            a = TSimd.Broadcast(x[1]); l1 = TSimd.Fma(a, low, l1); h1 = TSimd.Fma(a, high, h1);
            a = TSimd.Broadcast(x[2]); l2 = TSimd.Fma(a, low, l2); h2 = TSimd.Fma(a, high, h2);
            a = TSimd.Broadcast(x[3]); l3 = TSimd.Fma(a, low, l3); h3 = TSimd.Fma(a, high, h3);
            a = TSimd.Broadcast(x[4]); l4 = TSimd.Fma(a, low, l4); h4 = TSimd.Fma(a, high, h4);
            a = TSimd.Broadcast(x[5]); l5 = TSimd.Fma(a, low, l5); h5 = TSimd.Fma(a, high, h5);
            a = TSimd.Broadcast(x[6]); l6 = TSimd.Fma(a, low, l6); h6 = TSimd.Fma(a, high, h6);
            a = TSimd.Broadcast(x[7]); l7 = TSimd.Fma(a, low, l7); h7 = TSimd.Fma(a, high, h7);
        }

        TVec sl = TSimd.Load(decoded), sh = TSimd.Load(decoded + TSimd.Width);
        if (sums != null)
        {
            TVec zl = TSimd.Load(decoded + (2 * TSimd.Width)), zh = TSimd.Load(decoded + (3 * TSimd.Width)), sum;
            sum = TSimd.Broadcast(sums[0]); l0 = TSimd.Fma(sum, zl, l0); h0 = TSimd.Fma(sum, zh, h0);
            sum = TSimd.Broadcast(sums[1]); l1 = TSimd.Fma(sum, zl, l1); h1 = TSimd.Fma(sum, zh, h1);
            sum = TSimd.Broadcast(sums[2]); l2 = TSimd.Fma(sum, zl, l2); h2 = TSimd.Fma(sum, zh, h2);
            sum = TSimd.Broadcast(sums[3]); l3 = TSimd.Fma(sum, zl, l3); h3 = TSimd.Fma(sum, zh, h3);
            sum = TSimd.Broadcast(sums[4]); l4 = TSimd.Fma(sum, zl, l4); h4 = TSimd.Fma(sum, zh, h4);
            sum = TSimd.Broadcast(sums[5]); l5 = TSimd.Fma(sum, zl, l5); h5 = TSimd.Fma(sum, zh, h5);
            sum = TSimd.Broadcast(sums[6]); l6 = TSimd.Fma(sum, zl, l6); h6 = TSimd.Fma(sum, zh, h6);
            sum = TSimd.Broadcast(sums[7]); l7 = TSimd.Fma(sum, zl, l7); h7 = TSimd.Fma(sum, zh, h7);
        }

        tile = AddScaled(tile, l0, h0, sl, sh);
        tile = AddScaled(tile, l1, h1, sl, sh);
        tile = AddScaled(tile, l2, h2, sl, sh);
        tile = AddScaled(tile, l3, h3, sl, sh);
        tile = AddScaled(tile, l4, h4, sl, sh);
        tile = AddScaled(tile, l5, h5, sl, sh);
        tile = AddScaled(tile, l6, h6, sl, sh);
        AddScaled(tile, l7, h7, sl, sh);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block12(float* decoded, int size, float* x, float* sums, float* tile)
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
        for (var k = 0; k < size; k++, decoded += 2 * TSimd.Width, x += 12)
        {
            TVec low = TSimd.Load(decoded), high = TSimd.Load(decoded + TSimd.Width), a;
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

        TVec sl = TSimd.Load(decoded), sh = TSimd.Load(decoded + TSimd.Width);
        if (sums != null)
        {
            TVec zl = TSimd.Load(decoded + (2 * TSimd.Width)), zh = TSimd.Load(decoded + (3 * TSimd.Width)), sum;
            sum = TSimd.Broadcast(sums[0]); l0 = TSimd.Fma(sum, zl, l0); h0 = TSimd.Fma(sum, zh, h0);
            sum = TSimd.Broadcast(sums[1]); l1 = TSimd.Fma(sum, zl, l1); h1 = TSimd.Fma(sum, zh, h1);
            sum = TSimd.Broadcast(sums[2]); l2 = TSimd.Fma(sum, zl, l2); h2 = TSimd.Fma(sum, zh, h2);
            sum = TSimd.Broadcast(sums[3]); l3 = TSimd.Fma(sum, zl, l3); h3 = TSimd.Fma(sum, zh, h3);
            sum = TSimd.Broadcast(sums[4]); l4 = TSimd.Fma(sum, zl, l4); h4 = TSimd.Fma(sum, zh, h4);
            sum = TSimd.Broadcast(sums[5]); l5 = TSimd.Fma(sum, zl, l5); h5 = TSimd.Fma(sum, zh, h5);
            sum = TSimd.Broadcast(sums[6]); l6 = TSimd.Fma(sum, zl, l6); h6 = TSimd.Fma(sum, zh, h6);
            sum = TSimd.Broadcast(sums[7]); l7 = TSimd.Fma(sum, zl, l7); h7 = TSimd.Fma(sum, zh, h7);
            sum = TSimd.Broadcast(sums[8]); l8 = TSimd.Fma(sum, zl, l8); h8 = TSimd.Fma(sum, zh, h8);
            sum = TSimd.Broadcast(sums[9]); l9 = TSimd.Fma(sum, zl, l9); h9 = TSimd.Fma(sum, zh, h9);
            sum = TSimd.Broadcast(sums[10]); l10 = TSimd.Fma(sum, zl, l10); h10 = TSimd.Fma(sum, zh, h10);
            sum = TSimd.Broadcast(sums[11]); l11 = TSimd.Fma(sum, zl, l11); h11 = TSimd.Fma(sum, zh, h11);
        }

        tile = AddScaled(tile, l0, h0, sl, sh);
        tile = AddScaled(tile, l1, h1, sl, sh);
        tile = AddScaled(tile, l2, h2, sl, sh);
        tile = AddScaled(tile, l3, h3, sl, sh);
        tile = AddScaled(tile, l4, h4, sl, sh);
        tile = AddScaled(tile, l5, h5, sl, sh);
        tile = AddScaled(tile, l6, h6, sl, sh);
        tile = AddScaled(tile, l7, h7, sl, sh);
        tile = AddScaled(tile, l8, h8, sl, sh);
        tile = AddScaled(tile, l9, h9, sl, sh);
        tile = AddScaled(tile, l10, h10, sl, sh);
        AddScaled(tile, l11, h11, sl, sh);
    }
}
