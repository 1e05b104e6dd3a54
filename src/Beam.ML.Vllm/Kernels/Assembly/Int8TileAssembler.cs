using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Beam.ML.Vllm.Kernels.Assembly;

/// <summary>
/// Tiles of 8-bit weights and activations: dot products of four inputs at a time (VPDPBUSD), summed exactly over 32 inputs, whose sum is
/// then scaled and added up in float32. A pass through the loop is a block of the <see cref="QuantizedMatrix"/>. The instruction wants one
/// side without sign: the weights' codes are 128 too large, and sums start at what that makes of the row's activations.
/// </summary>
internal sealed class Int8TileAssembler : TileAssembler
{
    /// <summary>The most rows that a tile of one panel has registers for.</summary>
    public const int MaxRows = 7;

    private const int Words = Int8Rows.GroupInputs / 4;

    private readonly AssemblerRegisterZMM[] _exact;
    private readonly AssemblerRegisterZMM[] _rows;

    public Int8TileAssembler(TileShape shape) : base(shape)
    {
        _exact = TakeMany(2 * shape.Rows * shape.Panels);
        _rows = TakeRows();
    }

    protected override int Steps => Shape.GroupsPerPass * Words;

    protected override (int Panel, int Rows) PassBytes =>
        (ScalesOffset + (Shape.Format == TileFormat.Int8DotFloat32Scales ? PanelRowBytes : VectorBytes), Shape.GroupsPerPass * GroupBytes);

    private int ScalesOffset => Steps * PanelRowBytes;

    private int GroupBytes => Shape.Rows * Int8Rows.GroupBytes;

    /// <summary>Panels that a tile of so many rows may take on.</summary>
    public static int PanelsFor(int rows) => rows switch { 1 => 4, 2 => 3, 3 => 2, _ => 1 };

    protected override void WritePass()
    {
        for (var group = 0; group < Shape.GroupsPerPass; group++)
        {
            var rows = group * GroupBytes;
            for (var i = 0; i < _exact.Length; i++)
                Code.vpbroadcastd(_exact[i], __dword_ptr[Row(rows + Int8Rows.StartOffset(i / (2 * Shape.Panels), Shape.Rows))]);
            for (var word = 0; word < Words; word++) WriteWord(rows, group, word);
            for (var panel = 0; panel < Shape.Panels; panel++) AddScaled(rows, panel);
        }
    }

    private void WriteWord(int rows, int group, int word)
    {
        var step = (group * Words) + word;
        Prefetch(step);
        if (KeepsRows(_rows.Length))
        {
            for (var row = 0; row < Shape.Rows; row++) BroadcastRow(_rows[row], rows, row, word);
        }

        for (var panel = 0; panel < Shape.Panels; panel++)
        {
            for (var half = 0; half < 2; half++) Code.vmovdqu32(Weights[half], Panel(panel, (step * PanelRowBytes) + (half * VectorBytes)));
            for (var row = 0; row < Shape.Rows; row++)
            {
                var x = _rows[row % _rows.Length];
                if (!KeepsRows(_rows.Length)) BroadcastRow(x, rows, row, word);
                for (var half = 0; half < 2; half++) Code.vpdpbusd(Exact(row, panel, half), Weights[half], x);
            }
        }
    }

    /// <summary>sum += exact × the row's scale × the columns' scales.</summary>
    private void AddScaled(int rows, int panel)
    {
        LoadScales(panel);
        for (var row = 0; row < Shape.Rows; row++)
        {
            for (var half = 0; half < 2; half++)
            {
                var exact = Exact(row, panel, half);
                Code.vcvtdq2ps(exact, exact);
                Code.vmulps(exact, exact, __dword_bcst[Row(rows + Int8Rows.ScaleOffset(row, Shape.Rows))]);
                Code.vfmadd231ps(Sum(row, panel, half), exact, Weights[half]);
            }
        }
    }

    private void LoadScales(int panel)
    {
        if (Shape.Format == TileFormat.Int8DotFloat32Scales)
        {
            for (var half = 0; half < 2; half++) Code.vmovups(Weights[half], Panel(panel, ScalesOffset + (half * VectorBytes)));
            return;
        }

        // Scales in bfloat16: a word has one of each half of the columns.
        Code.vpslld(Weights[0], Panel(panel, ScalesOffset), 16);
        Code.vpsrld(Weights[1], Panel(panel, ScalesOffset), 16);
        Code.vpslld(Weights[1], Weights[1], 16);
    }

    private AssemblerRegisterZMM Exact(int row, int panel, int half) => _exact[(((row * Shape.Panels) + panel) * 2) + half];

    private void BroadcastRow(AssemblerRegisterZMM target, int rows, int row, int word) =>
        Code.vpbroadcastd(target, __dword_ptr[Row(rows + Int8Rows.CodesOffset(row) + (4 * word))]);
}
