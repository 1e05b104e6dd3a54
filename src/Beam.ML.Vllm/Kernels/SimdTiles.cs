using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Tiles on vectors of any kind, unrolled by hand so that every sum has a register. A call in these methods, even after the loop, would
/// cost the sums their registers.
/// </summary>
internal sealed unsafe class SimdTiles<TSimd, TVec> : TileSet
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private const int Chunk = ChunkInputs;

    /// <summary>How far ahead, in bytes, weights are asked for.</summary>
    private const int Ahead = 4096;

    public override int MaxRows(TileFormat format) => TSimd.MaxRows;

    public override bool CanContinue(TileFormat format) => false;

    public override int RowsFor(int rows) => rows switch { > 6 => 12, > 4 => 6, > 2 => 4, _ => rows };

    public override int PanelsFor(TileFormat format, int rows) => rows == 1 ? 4 : 1;

    public override TileKernel Kernel(TileShape shape) => shape.Format switch
    {
        TileFormat.Float32 => Kernel<Float32Panel<TSimd, TVec>>(shape),
        TileFormat.BFloat16 => Kernel<BFloat16Panel<TSimd, TVec>>(shape),
        _ => throw new ArgumentException($"There is no tile of {shape.Format} on these vectors."),
    };

    public override void Dispose()
    {
    }

    private static TileKernel Kernel<TFormat>(TileShape shape) where TFormat : struct, IPanelFormat<TVec> => (shape.Rows, shape.Panels) switch
    {
        (1, 4) => new TileKernel(&Row1Panels4<TFormat>),
        (1, 1) => new TileKernel(&Rows1<TFormat>),
        (2, 1) => new TileKernel(&Rows2<TFormat>),
        (4, 1) => new TileKernel(&Rows4<TFormat>),
        (6, 1) => new TileKernel(&Rows6<TFormat>),
        (12, 1) => new TileKernel(&Rows12<TFormat>),
        _ => throw new ArgumentException($"There is no tile of {shape.Rows} rows and {shape.Panels} panels."),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Put(float* tile, TVec low, TVec high)
    {
        TSimd.Store(tile, low);
        TSimd.Store(tile + TSimd.Width, high);
        return tile + (2 * TSimd.Width);
    }

    /// <summary>One row against four panels: it only waits for memory, and four streams hide the latency of the additions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row1Panels4<TFormat>(TileArguments* t) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero, l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero, l3 = TSimd.Zero, h3 = TSimd.Zero;
        nint p0 = (nint)t->Panel, p1 = p0 + t->PanelBytes, p2 = p1 + t->PanelBytes, p3 = p2 + t->PanelBytes;
        var a = (float*)t->Rows;
        for (var end = a + (t->Passes * Chunk); a < end; a += 2)
        {
            TFormat.Prefetch(p0 + Ahead); TFormat.Prefetch(p1 + Ahead); TFormat.Prefetch(p2 + Ahead); TFormat.Prefetch(p3 + Ahead);
            var x = TSimd.Broadcast(a[0]);
            l0 = TSimd.Fma(x, TFormat.Even(p0, 0), l0); h0 = TSimd.Fma(x, TFormat.Even(p0, 1), h0);
            l1 = TSimd.Fma(x, TFormat.Even(p1, 0), l1); h1 = TSimd.Fma(x, TFormat.Even(p1, 1), h1);
            l2 = TSimd.Fma(x, TFormat.Even(p2, 0), l2); h2 = TSimd.Fma(x, TFormat.Even(p2, 1), h2);
            l3 = TSimd.Fma(x, TFormat.Even(p3, 0), l3); h3 = TSimd.Fma(x, TFormat.Even(p3, 1), h3);
            x = TSimd.Broadcast(a[1]);
            l0 = TSimd.Fma(x, TFormat.Odd(p0, 0), l0); h0 = TSimd.Fma(x, TFormat.Odd(p0, 1), h0);
            l1 = TSimd.Fma(x, TFormat.Odd(p1, 0), l1); h1 = TSimd.Fma(x, TFormat.Odd(p1, 1), h1);
            l2 = TSimd.Fma(x, TFormat.Odd(p2, 0), l2); h2 = TSimd.Fma(x, TFormat.Odd(p2, 1), h2);
            l3 = TSimd.Fma(x, TFormat.Odd(p3, 0), l3); h3 = TSimd.Fma(x, TFormat.Odd(p3, 1), h3);
            p0 += TFormat.PairBytes; p1 += TFormat.PairBytes; p2 += TFormat.PairBytes; p3 += TFormat.PairBytes;
        }

        var tile = Put(t->Tile, l0, h0);
        tile = Put(tile, l1, h1);
        tile = Put(tile, l2, h2);
        Put(tile, l3, h3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows1<TFormat>(TileArguments* t) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        var panel = (nint)t->Panel;
        var a = (float*)t->Rows;
        for (var chunk = t->Passes; chunk > 0; chunk--)
        {
            for (var end = a + Chunk; a < end; a += 2, panel += TFormat.PairBytes)
            {
                TFormat.Prefetch(panel + Ahead);
                TVec low = TFormat.Even(panel, 0), high = TFormat.Even(panel, 1), x;
                x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                (low, high) = (TFormat.Odd(panel, 0), TFormat.Odd(panel, 1));
                x = TSimd.Broadcast(a[1]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
            }
        }

        var tile = t->Tile;
        Put(tile, l0, h0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows2<TFormat>(TileArguments* t) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        var panel = (nint)t->Panel;
        var a = (float*)t->Rows;
        for (var chunk = t->Passes; chunk > 0; chunk--, a += Chunk)
        {
            for (var end = a + Chunk; a < end; a += 2, panel += TFormat.PairBytes)
            {
                TFormat.Prefetch(panel + Ahead);
                TVec low = TFormat.Even(panel, 0), high = TFormat.Even(panel, 1), x;
                x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                x = TSimd.Broadcast(a[Chunk]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
                (low, high) = (TFormat.Odd(panel, 0), TFormat.Odd(panel, 1));
                x = TSimd.Broadcast(a[1]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                x = TSimd.Broadcast(a[Chunk + 1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
            }
        }

        var tile = t->Tile;
        tile = Put(tile, l0, h0);
        Put(tile, l1, h1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows4<TFormat>(TileArguments* t) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        var panel = (nint)t->Panel;
        var a = (float*)t->Rows;
        for (var chunk = t->Passes; chunk > 0; chunk--, a += 3 * Chunk)
        {
            for (var end = a + Chunk; a < end; a += 2, panel += TFormat.PairBytes)
            {
                TFormat.Prefetch(panel + Ahead);
                TVec low = TFormat.Even(panel, 0), high = TFormat.Even(panel, 1), x;
                x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                x = TSimd.Broadcast(a[Chunk]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
                x = TSimd.Broadcast(a[2 * Chunk]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
                x = TSimd.Broadcast(a[3 * Chunk]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
                (low, high) = (TFormat.Odd(panel, 0), TFormat.Odd(panel, 1));
                x = TSimd.Broadcast(a[1]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                x = TSimd.Broadcast(a[Chunk + 1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
                x = TSimd.Broadcast(a[(2 * Chunk) + 1]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
                x = TSimd.Broadcast(a[(3 * Chunk) + 1]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
            }
        }

        var tile = t->Tile;
        tile = Put(tile, l0, h0);
        tile = Put(tile, l1, h1);
        tile = Put(tile, l2, h2);
        Put(tile, l3, h3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows6<TFormat>(TileArguments* t) where TFormat : struct, IPanelFormat<TVec>
    {
        TVec l0 = TSimd.Zero, h0 = TSimd.Zero;
        TVec l1 = TSimd.Zero, h1 = TSimd.Zero;
        TVec l2 = TSimd.Zero, h2 = TSimd.Zero;
        TVec l3 = TSimd.Zero, h3 = TSimd.Zero;
        TVec l4 = TSimd.Zero, h4 = TSimd.Zero;
        TVec l5 = TSimd.Zero, h5 = TSimd.Zero;
        var panel = (nint)t->Panel;
        var a = (float*)t->Rows;
        for (var chunk = t->Passes; chunk > 0; chunk--, a += 5 * Chunk)
        {
            for (var end = a + Chunk; a < end; a += 2, panel += TFormat.PairBytes)
            {
                TFormat.Prefetch(panel + Ahead);
                TVec low = TFormat.Even(panel, 0), high = TFormat.Even(panel, 1), x;
                x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                x = TSimd.Broadcast(a[Chunk]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
                x = TSimd.Broadcast(a[2 * Chunk]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
                x = TSimd.Broadcast(a[3 * Chunk]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
                x = TSimd.Broadcast(a[4 * Chunk]); l4 = TSimd.Fma(x, low, l4); h4 = TSimd.Fma(x, high, h4);
                x = TSimd.Broadcast(a[5 * Chunk]); l5 = TSimd.Fma(x, low, l5); h5 = TSimd.Fma(x, high, h5);
                (low, high) = (TFormat.Odd(panel, 0), TFormat.Odd(panel, 1));
                x = TSimd.Broadcast(a[1]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                x = TSimd.Broadcast(a[Chunk + 1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
                x = TSimd.Broadcast(a[(2 * Chunk) + 1]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
                x = TSimd.Broadcast(a[(3 * Chunk) + 1]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
                x = TSimd.Broadcast(a[(4 * Chunk) + 1]); l4 = TSimd.Fma(x, low, l4); h4 = TSimd.Fma(x, high, h4);
                x = TSimd.Broadcast(a[(5 * Chunk) + 1]); l5 = TSimd.Fma(x, low, l5); h5 = TSimd.Fma(x, high, h5);
            }
        }

        var tile = t->Tile;
        tile = Put(tile, l0, h0);
        tile = Put(tile, l1, h1);
        tile = Put(tile, l2, h2);
        tile = Put(tile, l3, h3);
        tile = Put(tile, l4, h4);
        Put(tile, l5, h5);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows12<TFormat>(TileArguments* t) where TFormat : struct, IPanelFormat<TVec>
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
        var panel = (nint)t->Panel;
        var a = (float*)t->Rows;
        for (var chunk = t->Passes; chunk > 0; chunk--, a += 11 * Chunk)
        {
            for (var end = a + Chunk; a < end; a += 2, panel += TFormat.PairBytes)
            {
                TFormat.Prefetch(panel + Ahead);
                TVec low = TFormat.Even(panel, 0), high = TFormat.Even(panel, 1), x;
                x = TSimd.Broadcast(a[0]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                x = TSimd.Broadcast(a[Chunk]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
                x = TSimd.Broadcast(a[2 * Chunk]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
                x = TSimd.Broadcast(a[3 * Chunk]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
                x = TSimd.Broadcast(a[4 * Chunk]); l4 = TSimd.Fma(x, low, l4); h4 = TSimd.Fma(x, high, h4);
                x = TSimd.Broadcast(a[5 * Chunk]); l5 = TSimd.Fma(x, low, l5); h5 = TSimd.Fma(x, high, h5);
                x = TSimd.Broadcast(a[6 * Chunk]); l6 = TSimd.Fma(x, low, l6); h6 = TSimd.Fma(x, high, h6);
                x = TSimd.Broadcast(a[7 * Chunk]); l7 = TSimd.Fma(x, low, l7); h7 = TSimd.Fma(x, high, h7);
                x = TSimd.Broadcast(a[8 * Chunk]); l8 = TSimd.Fma(x, low, l8); h8 = TSimd.Fma(x, high, h8);
                x = TSimd.Broadcast(a[9 * Chunk]); l9 = TSimd.Fma(x, low, l9); h9 = TSimd.Fma(x, high, h9);
                x = TSimd.Broadcast(a[10 * Chunk]); l10 = TSimd.Fma(x, low, l10); h10 = TSimd.Fma(x, high, h10);
                x = TSimd.Broadcast(a[11 * Chunk]); l11 = TSimd.Fma(x, low, l11); h11 = TSimd.Fma(x, high, h11);
                (low, high) = (TFormat.Odd(panel, 0), TFormat.Odd(panel, 1));
                x = TSimd.Broadcast(a[1]); l0 = TSimd.Fma(x, low, l0); h0 = TSimd.Fma(x, high, h0);
                x = TSimd.Broadcast(a[Chunk + 1]); l1 = TSimd.Fma(x, low, l1); h1 = TSimd.Fma(x, high, h1);
                x = TSimd.Broadcast(a[(2 * Chunk) + 1]); l2 = TSimd.Fma(x, low, l2); h2 = TSimd.Fma(x, high, h2);
                x = TSimd.Broadcast(a[(3 * Chunk) + 1]); l3 = TSimd.Fma(x, low, l3); h3 = TSimd.Fma(x, high, h3);
                x = TSimd.Broadcast(a[(4 * Chunk) + 1]); l4 = TSimd.Fma(x, low, l4); h4 = TSimd.Fma(x, high, h4);
                x = TSimd.Broadcast(a[(5 * Chunk) + 1]); l5 = TSimd.Fma(x, low, l5); h5 = TSimd.Fma(x, high, h5);
                x = TSimd.Broadcast(a[(6 * Chunk) + 1]); l6 = TSimd.Fma(x, low, l6); h6 = TSimd.Fma(x, high, h6);
                x = TSimd.Broadcast(a[(7 * Chunk) + 1]); l7 = TSimd.Fma(x, low, l7); h7 = TSimd.Fma(x, high, h7);
                x = TSimd.Broadcast(a[(8 * Chunk) + 1]); l8 = TSimd.Fma(x, low, l8); h8 = TSimd.Fma(x, high, h8);
                x = TSimd.Broadcast(a[(9 * Chunk) + 1]); l9 = TSimd.Fma(x, low, l9); h9 = TSimd.Fma(x, high, h9);
                x = TSimd.Broadcast(a[(10 * Chunk) + 1]); l10 = TSimd.Fma(x, low, l10); h10 = TSimd.Fma(x, high, h10);
                x = TSimd.Broadcast(a[(11 * Chunk) + 1]); l11 = TSimd.Fma(x, low, l11); h11 = TSimd.Fma(x, high, h11);
            }
        }

        var tile = t->Tile;
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
        Put(tile, l11, h11);
    }
}
