using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Beam.ML.Vllm.Kernels.Assembly;

/// <summary>Tiles of float32 and bfloat16 numbers. A pass through the loop is a chunk of inputs.</summary>
internal sealed class FloatTileAssembler : TileAssembler
{
    /// <summary>The most rows that a tile of one panel has registers for.</summary>
    public const int MaxRows = 14;

    private readonly AssemblerRegisterZMM[] _mask;
    private readonly AssemblerRegisterZMM[] _rows;

    public FloatTileAssembler(TileShape shape) : base(shape)
    {
        _mask = TakeMany(shape.Format == TileFormat.BFloat16 ? 1 : 0);
        _rows = TakeRows();
    }

    /// <summary>Pairs of inputs are multiplied at once, or every input by itself.</summary>
    protected override int Steps => Shape.Format == TileFormat.BFloat16Dot ? TileSet.ChunkInputs / 2 : TileSet.ChunkInputs;

    protected override (int Panel, int Rows) PassBytes =>
        (PanelRowBytes * TileSet.ChunkInputs / (Shape.Format == TileFormat.Float32 ? 1 : 2), Shape.Rows * TileSet.ChunkRowBytes(Shape.Format));

    /// <summary>Panels that a tile of so many rows may take on: what the registers hold, and no more than keeps the units busy.</summary>
    public static int PanelsFor(int rows) => rows switch { <= 3 => 4, 4 => 3, <= 7 => 2, _ => 1 };

    protected override void WriteStart()
    {
        foreach (var mask in _mask)
        {
            Code.vpternlogd(mask, mask, mask, 0xFF);
            Code.vpslld(mask, mask, 16);
        }
    }

    protected override void WritePass()
    {
        for (var step = 0; step < Steps; step++)
        {
            Prefetch(step);
            if (KeepsRows(_rows.Length))
            {
                for (var row = 0; row < Shape.Rows; row++) BroadcastRow(_rows[row], row, step);
            }

            for (var panel = 0; panel < Shape.Panels; panel++)
            {
                for (var half = 0; half < 2; half++) LoadWeights(panel, step, half);
                for (var row = 0; row < Shape.Rows; row++)
                {
                    var x = _rows[row % _rows.Length];
                    if (!KeepsRows(_rows.Length)) BroadcastRow(x, row, step);
                    for (var half = 0; half < 2; half++)
                    {
                        if (Shape.Format == TileFormat.BFloat16Dot) Code.vdpbf16ps(Sum(row, panel, half), Weights[half], x);
                        else Code.vfmadd231ps(Sum(row, panel, half), Weights[half], x);
                    }
                }
            }
        }
    }

    /// <summary>Sets all lanes to one row's activation of this step, or to its pair.</summary>
    private void BroadcastRow(AssemblerRegisterZMM target, int row, int step) =>
        Code.vbroadcastss(target, __dword_ptr[Row((row * TileSet.ChunkRowBytes(Shape.Format)) + (4 * step))]);

    private void LoadWeights(int panel, int step, int half)
    {
        if (Shape.Format != TileFormat.BFloat16)
        {
            Code.vmovups(Weights[half], Panel(panel, (step * PanelRowBytes) + (half * VectorBytes)));
            return;
        }

        // A word holds an even input's weight in its low half and the next one's in its high half.
        var words = Panel(panel, (step / 2 * PanelRowBytes) + (half * VectorBytes));
        if (step % 2 == 0) Code.vpslld(Weights[half], words, 16);
        else Code.vpandd(Weights[half], _mask[0], words);
    }
}
