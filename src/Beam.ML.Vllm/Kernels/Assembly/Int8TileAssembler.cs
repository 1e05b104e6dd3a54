using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Beam.ML.Vllm.Kernels.Assembly;

/// <summary>
/// Tiles of weights in 8 or 4 bits and activations in 8: dot products of four inputs at a time (VPDPBUSD), summed exactly over 32 inputs,
/// whose sum is then scaled and added up in float32. A pass through the loop is a block of the <see cref="QuantizedMatrix"/>. The
/// instruction wants one side without sign: the weights' codes are too large by half of their range, and sums start at what that makes of
/// the row's activations.
/// </summary>
internal sealed class Int8TileAssembler : TileAssembler
{
    private readonly AssemblerRegisterZMM[] _exact;
    private readonly AssemblerRegisterZMM[] _mask;
    private readonly AssemblerRegisterZMM[] _rows;

    public Int8TileAssembler(TileShape shape) : base(shape)
    {
        _exact = TakeMany(2 * shape.Rows * shape.Panels);
        _mask = TakeMany(IsInt4 ? 1 : 0);
        _rows = TakeRows();
    }

    /// <summary>Four inputs are multiplied at once.</summary>
    protected override int Steps => Shape.GroupsPerPass * GroupSteps;

    protected override (int Panel, int Rows) PassBytes =>
        (ZerosOffset + (Shape.HasZeroPoints ? VectorBytes : 0), Shape.GroupsPerPass * GroupBytes);

    private static int GroupSteps => Int8Rows.GroupInputs / 4;

    private bool IsInt4 => Shape.Format == TileFormat.Int4Dot;

    private int ScalesOffset => Steps * PanelRowBytes / (IsInt4 ? 2 : 1);

    private int ZerosOffset => ScalesOffset + (Shape.HasFloat32Scales ? PanelRowBytes : VectorBytes);

    private int GroupBytes => Shape.Rows * Int8Rows.GroupBytes;

    /// <summary>The most rows that a tile of one panel has registers for.</summary>
    public static int MaxRows(TileFormat format) => format == TileFormat.Int4Dot ? 6 : 7;

    /// <summary>Panels that a tile of so many rows may take on.</summary>
    public static int PanelsFor(int rows) => rows switch { 1 => 4, 2 => 3, 3 => 2, _ => 1 };

    protected override void WriteStart()
    {
        foreach (var mask in _mask)
        {
            Code.mov(eax, 0x0F0F0F0F);
            Code.vpbroadcastd(mask, eax);
        }
    }

    protected override void WritePass()
    {
        for (var group = 0; group < Shape.GroupsPerPass; group++)
        {
            var rows = group * GroupBytes;
            for (var i = 0; i < _exact.Length; i++)
                Code.vpbroadcastd(_exact[i], __dword_ptr[Row(rows + Int8Rows.StartOffset(i / (2 * Shape.Panels), Shape.Rows))]);
            for (var step = 0; step < GroupSteps; step++) WriteStep(rows, group, step);
            for (var panel = 0; panel < Shape.Panels; panel++) AddScaled(rows, panel);
        }
    }

    private void WriteStep(int rows, int group, int step)
    {
        var ofPass = (group * GroupSteps) + step;
        Prefetch(ofPass);
        if (KeepsRows(_rows.Length))
        {
            for (var row = 0; row < Shape.Rows; row++) BroadcastRow(_rows[row], rows, row, step);
        }

        for (var panel = 0; panel < Shape.Panels; panel++)
        {
            for (var half = 0; half < 2; half++) LoadCodes(panel, ofPass, half);
            for (var row = 0; row < Shape.Rows; row++)
            {
                var x = _rows[row % _rows.Length];
                if (!KeepsRows(_rows.Length)) BroadcastRow(x, rows, row, step);
                for (var half = 0; half < 2; half++) Code.vpdpbusd(Exact(row, panel, half), Weights[half], x);
            }
        }
    }

    private void LoadCodes(int panel, int step, int half)
    {
        if (!IsInt4)
        {
            Code.vmovdqu32(Weights[half], Panel(panel, (step * PanelRowBytes) + (half * VectorBytes)));
            return;
        }

        // A word has four inputs in the low half-bytes, and the next four in the high ones.
        var words = Panel(panel, (step / 2 * PanelRowBytes) + (half * VectorBytes));
        if (step % 2 == 0)
        {
            Code.vpandd(Weights[half], _mask[0], words);
        }
        else
        {
            Code.vpsrld(Weights[half], words, 4);
            Code.vpandd(Weights[half], Weights[half], _mask[0]);
        }
    }

    /// <summary>sum += (exact − zero points × sum of the row's codes) × the row's scale × the columns' scales.</summary>
    private void AddScaled(int rows, int panel)
    {
        if (Shape.HasFloat32Scales)
        {
            for (var half = 0; half < 2; half++) Code.vmovups(Weights[half], Panel(panel, ScalesOffset + (half * VectorBytes)));
        }
        else
        {
            LoadHalves(Weights, Panel(panel, ScalesOffset));
        }

        if (Shape.HasZeroPoints) LoadHalves(_rows, Panel(panel, ZerosOffset));
        for (var row = 0; row < Shape.Rows; row++)
        {
            for (var half = 0; half < 2; half++)
            {
                var exact = Exact(row, panel, half);
                Code.vcvtdq2ps(exact, exact);
                if (Shape.HasZeroPoints) Code.vfnmadd231ps(exact, _rows[half], __dword_bcst[Row(rows + Int8Rows.SumOffset(row, Shape.Rows))]);
                Code.vmulps(exact, exact, __dword_bcst[Row(rows + Int8Rows.ScaleOffset(row, Shape.Rows))]);
                Code.vfmadd231ps(Sum(row, panel, half), exact, Weights[half]);
            }
        }
    }

    /// <summary>Numbers in bfloat16, of which a word has one of each half of the columns.</summary>
    private void LoadHalves(AssemblerRegisterZMM[] targets, AssemblerMemoryOperand words)
    {
        Code.vpslld(targets[0], words, 16);
        Code.vpsrld(targets[1], words, 16);
        Code.vpslld(targets[1], targets[1], 16);
    }

    private AssemblerRegisterZMM Exact(int row, int panel, int half) => _exact[(((row * Shape.Panels) + panel) * 2) + half];

    private void BroadcastRow(AssemblerRegisterZMM target, int rows, int row, int step) =>
        Code.vpbroadcastd(target, __dword_ptr[Row(rows + Int8Rows.CodesOffset(row) + (4 * step))]);
}
