using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// The innermost loops of matrix multiplication, unrolled by hand so that every accumulator has a register: some rows of activations
/// against one panel of weights. Each output element is one chain of multiply-adds over k = 0, 1, 2 …, in every variant: that is what
/// makes a row's result the same whichever rows it is computed with. Results go to a tile, row after row of a panel's width: a call in
/// these methods, even after the loop, would cost the accumulators their registers.
/// </summary>
internal sealed unsafe partial class SimdKernels<TSimd, TVec>
{
    /// <summary>Floats in a tile: as many rows as a kernel has, or four panels of one row, of the widest vectors.</summary>
    private const int TileFloats = 12 * 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Put(float* tile, TVec low, TVec high)
    {
        TSimd.Store(tile, low);
        TSimd.Store(tile + TSimd.Width, high);
        return tile + (2 * TSimd.Width);
    }

    /// <summary>Copies or adds one row of results to where they belong.</summary>
    private static void StoreRow(float* tile, float* target, int columns, bool accumulate)
    {
        for (var i = 0; i < columns; i += TSimd.Width)
        {
            var value = TSimd.Load(tile + i);
            if (accumulate) value = TSimd.Add(Partial<TSimd, TVec>.Load(target + i, columns - i), value);
            Partial<TSimd, TVec>.Store(target + i, value, columns - i);
        }
    }

    /// <summary>One row against four panels: it only waits for memory, and four streams hide the latency of the additions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row1Panels4<TFormat>(byte* panel, long panelBytes, int depth, float* a, float* tile)
        where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero, l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero, l3 = TSimd.Zero, h3 = TSimd.Zero;
        byte* p1 = panel + panelBytes, p2 = p1 + panelBytes, p3 = p2 + panelBytes;
        for (var k = 0; k < depth; k++)
        {
            var x = TSimd.Broadcast(a[k]);
            l0 = TSimd.Fma(x, TFormat.Low(panel), l0); h0 = TSimd.Fma(x, TFormat.High(panel), h0);
            l1 = TSimd.Fma(x, TFormat.Low(p1), l1); h1 = TSimd.Fma(x, TFormat.High(p1), h1);
            l2 = TSimd.Fma(x, TFormat.Low(p2), l2); h2 = TSimd.Fma(x, TFormat.High(p2), h2);
            l3 = TSimd.Fma(x, TFormat.Low(p3), l3); h3 = TSimd.Fma(x, TFormat.High(p3), h3);
            panel += TFormat.RowBytes; p1 += TFormat.RowBytes; p2 += TFormat.RowBytes; p3 += TFormat.RowBytes;
        }

        tile = Put(tile, l0, h0);
        tile = Put(tile, l1, h1);
        tile = Put(tile, l2, h2);
        Put(tile, l3, h3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows1<TFormat>(byte* panel, int depth, float* a, float* tile) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        for (var k = 0; k < depth; k++, panel += TFormat.RowBytes, a++)
        {
            TVec low = TFormat.Low(panel), high = TFormat.High(panel), x;
            x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
        }

        tile = Put(tile, l0, h0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows2<TFormat>(byte* panel, int depth, float* a, float* tile) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        for (var k = 0; k < depth; k++, panel += TFormat.RowBytes, a += 2)
        {
            TVec low = TFormat.Low(panel), high = TFormat.High(panel), x;
            x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
            x = TSimd.Broadcast(a[1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
        }

        tile = Put(tile, l0, h0);
        tile = Put(tile, l1, h1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows4<TFormat>(byte* panel, int depth, float* a, float* tile) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        for (var k = 0; k < depth; k++, panel += TFormat.RowBytes, a += 4)
        {
            TVec low = TFormat.Low(panel), high = TFormat.High(panel), x;
            x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
            x = TSimd.Broadcast(a[1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
            x = TSimd.Broadcast(a[2]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
            x = TSimd.Broadcast(a[3]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
        }

        tile = Put(tile, l0, h0);
        tile = Put(tile, l1, h1);
        tile = Put(tile, l2, h2);
        tile = Put(tile, l3, h3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows6<TFormat>(byte* panel, int depth, float* a, float* tile) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        TVec l4 = TSimd.Zero, h4 = TSimd.Zero;
        TVec l5 = TSimd.Zero, h5 = TSimd.Zero;
        for (var k = 0; k < depth; k++, panel += TFormat.RowBytes, a += 6)
        {
            TVec low = TFormat.Low(panel), high = TFormat.High(panel), x;
            x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
            x = TSimd.Broadcast(a[1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
            x = TSimd.Broadcast(a[2]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
            x = TSimd.Broadcast(a[3]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
            x = TSimd.Broadcast(a[4]); l4 = TSimd.Fma(x, low, l4); h4 = TSimd.Fma(x, high, h4);
            x = TSimd.Broadcast(a[5]); l5 = TSimd.Fma(x, low, l5); h5 = TSimd.Fma(x, high, h5);
        }

        tile = Put(tile, l0, h0);
        tile = Put(tile, l1, h1);
        tile = Put(tile, l2, h2);
        tile = Put(tile, l3, h3);
        tile = Put(tile, l4, h4);
        tile = Put(tile, l5, h5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows8<TFormat>(byte* panel, int depth, float* a, float* tile) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        TVec l4 = TSimd.Zero, h4 = TSimd.Zero;
        TVec l5 = TSimd.Zero, h5 = TSimd.Zero;
        TVec l6 = TSimd.Zero, h6 = TSimd.Zero;
        TVec l7 = TSimd.Zero, h7 = TSimd.Zero;
        for (var k = 0; k < depth; k++, panel += TFormat.RowBytes, a += 8)
        {
            TVec low = TFormat.Low(panel), high = TFormat.High(panel), x;
            x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
            x = TSimd.Broadcast(a[1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
            x = TSimd.Broadcast(a[2]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
            x = TSimd.Broadcast(a[3]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
            x = TSimd.Broadcast(a[4]); l4 = TSimd.Fma(x, low, l4); h4 = TSimd.Fma(x, high, h4);
            x = TSimd.Broadcast(a[5]); l5 = TSimd.Fma(x, low, l5); h5 = TSimd.Fma(x, high, h5);
            x = TSimd.Broadcast(a[6]); l6 = TSimd.Fma(x, low, l6); h6 = TSimd.Fma(x, high, h6);
            x = TSimd.Broadcast(a[7]); l7 = TSimd.Fma(x, low, l7); h7 = TSimd.Fma(x, high, h7);
        }

        tile = Put(tile, l0, h0);
        tile = Put(tile, l1, h1);
        tile = Put(tile, l2, h2);
        tile = Put(tile, l3, h3);
        tile = Put(tile, l4, h4);
        tile = Put(tile, l5, h5);
        tile = Put(tile, l6, h6);
        tile = Put(tile, l7, h7);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows12<TFormat>(byte* panel, int depth, float* a, float* tile) where TFormat : struct, IPanelFormat<TVec>
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
        for (var k = 0; k < depth; k++, panel += TFormat.RowBytes, a += 12)
        {
            TVec low = TFormat.Low(panel), high = TFormat.High(panel), x;
            x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
            x = TSimd.Broadcast(a[1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
            x = TSimd.Broadcast(a[2]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
            x = TSimd.Broadcast(a[3]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
            x = TSimd.Broadcast(a[4]); l4 = TSimd.Fma(x, low, l4); h4 = TSimd.Fma(x, high, h4);
            x = TSimd.Broadcast(a[5]); l5 = TSimd.Fma(x, low, l5); h5 = TSimd.Fma(x, high, h5);
            x = TSimd.Broadcast(a[6]); l6 = TSimd.Fma(x, low, l6); h6 = TSimd.Fma(x, high, h6);
            x = TSimd.Broadcast(a[7]); l7 = TSimd.Fma(x, low, l7); h7 = TSimd.Fma(x, high, h7);
            x = TSimd.Broadcast(a[8]); l8 = TSimd.Fma(x, low, l8); h8 = TSimd.Fma(x, high, h8);
            x = TSimd.Broadcast(a[9]); l9 = TSimd.Fma(x, low, l9); h9 = TSimd.Fma(x, high, h9);
            x = TSimd.Broadcast(a[10]); l10 = TSimd.Fma(x, low, l10); h10 = TSimd.Fma(x, high, h10);
            x = TSimd.Broadcast(a[11]); l11 = TSimd.Fma(x, low, l11); h11 = TSimd.Fma(x, high, h11);
        }

        tile = Put(tile, l0, h0);
        tile = Put(tile, l1, h1);
        tile = Put(tile, l2, h2);
        tile = Put(tile, l3, h3);
        tile = Put(tile, l4, h4);
        tile = Put(tile, l5, h5);
        tile = Put(tile, l6, h6);
        tile = Put(tile, l7, h7);
        tile = Put(tile, l8, h8);
        tile = Put(tile, l9, h9);
        tile = Put(tile, l10, h10);
        tile = Put(tile, l11, h11);
    }
}
