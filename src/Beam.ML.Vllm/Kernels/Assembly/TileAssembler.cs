using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Beam.ML.Vllm.Kernels.Assembly;

/// <summary>
/// Writes the innermost loops of matrix multiplication for AVX-512. A tile keeps two vectors of sums for each row and panel, so many that
/// every sum has a register, and goes through the inputs in chunks. Each sum is one chain over the inputs
/// 0, 1, 2 …, whatever the tile's shape: a row's result does not depend on the rows it is computed with.
/// </summary>
internal sealed class TileAssembler
{
    /// <summary>The most rows that a tile of one panel has registers for.</summary>
    public const int MaxRows = 14;

    private const int ChunkInputs = TileSet.ChunkInputs;
    private const int VectorBytes = 64;
    private const int VectorLanes = 16;

    // Offsets within a chunk of rows are encoded in a byte, times four, either side of zero.
    private const int RowBias = 512;

    // The registers that both calling conventions let a function change come first; Windows wants the last ten back.
    private static readonly AssemblerRegisterZMM[] Vectors =
    [
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
    ];

    private static readonly AssemblerRegisterXMM[] Preserved = [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];

    private readonly AssemblerRegister64 _arguments;
    private readonly AssemblerRegister64 _panel = rax, _panelBytes = r9, _threePanelBytes = r10, _rows = rdx, _chunks = r8, _prefetch = r11;
    private readonly Assembler _code = new(64);
    private readonly TileShape _shape;
    private readonly bool _windows;
    private int _used;

    private TileAssembler(TileShape shape, bool windows) => (_shape, _windows, _arguments) = (shape, windows, windows ? rcx : rdi);

    /// <summary>Panels that a tile of so many rows may take on: what the registers hold, and no more than keeps the units busy.</summary>
    public static int PanelsFor(int rows) => rows switch { <= 3 => 4, 4 => 3, 5 => 2, _ => 1 };

    private static int ChunkPanelBytes(TileFormat format) => ChunkInputs * 2 * VectorLanes * (format == TileFormat.Float32 ? 4 : 2);

    public static byte[] Assemble(TileShape shape, bool windows)
    {
        var assembler = new TileAssembler(shape, windows);
        assembler.Write();
        using var stream = new MemoryStream();
        assembler._code.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }

    private void Write()
    {
        var sums = TakeMany(2 * _shape.Rows * _shape.Panels);
        var weights = TakeMany(2);
        var mask = _shape.Format == TileFormat.BFloat16 ? Take() : default;
        var rows = TakeMany(_shape.Panels > 1 ? _shape.Rows : Math.Min(4, Vectors.Length - _used));
        LoadArguments();
        foreach (var sum in sums) _code.vpxord(sum, sum, sum);
        if (_shape.Format == TileFormat.BFloat16)
        {
            _code.vpternlogd(mask, mask, mask, 0xFF);
            _code.vpslld(mask, mask, 16);
        }

        var loop = _code.CreateLabel();
        _code.Label(ref loop);
        var steps = _shape.Format == TileFormat.BFloat16Dot ? ChunkInputs / 2 : ChunkInputs;
        for (var step = 0; step < steps; step++)
        {
            Prefetch(step, steps);
            if (_shape.Panels > 1)
            {
                for (var r = 0; r < _shape.Rows; r++) BroadcastRow(rows[r], r, step);
            }

            for (var p = 0; p < _shape.Panels; p++)
            {
                for (var half = 0; half < 2; half++) LoadWeights(weights[half], mask, p, step, half);
                for (var r = 0; r < _shape.Rows; r++)
                {
                    var x = _shape.Panels > 1 ? rows[r] : rows[r % rows.Length];
                    if (_shape.Panels == 1) BroadcastRow(x, r, step);
                    for (var half = 0; half < 2; half++) MultiplyAdd(sums[(((r * _shape.Panels) + p) * 2) + half], weights[half], x);
                }
            }
        }

        _code.add(_panel, ChunkPanelBytes(_shape.Format));
        _code.add(_rows, _shape.Rows * TileSet.ChunkRowBytes(_shape.Format));
        if (_shape.PrefetchLines > 0) _code.add(_prefetch, _shape.PrefetchLines * VectorBytes);
        _code.dec(_chunks);
        _code.jnz(loop);

        _code.mov(_rows, __[_arguments + 24]);
        for (var i = 0; i < sums.Length; i++) _code.vmovups(__zmmword_ptr[_rows + (i * VectorBytes)], sums[i]);
        for (var i = 0; i < Saved; i++) _code.vmovups(Preserved[i], __xmmword_ptr[_arguments + 48 + (16 * i)]);
        _code.vzeroupper();
        _code.ret();
    }

    private int Saved => _windows ? Math.Clamp(_used - 22, 0, Preserved.Length) : 0;

    private void LoadArguments()
    {
        for (var i = 0; i < Saved; i++) _code.vmovups(__xmmword_ptr[_arguments + 48 + (16 * i)], Preserved[i]);
        _code.mov(_panel, __[_arguments]);
        _code.mov(_panelBytes, __[_arguments + 8]);
        _code.lea(_threePanelBytes, __[_panelBytes + (_panelBytes * 2)]);
        _code.mov(_rows, __[_arguments + 16]);
        _code.add(_rows, RowBias);
        _code.mov(_chunks, __[_arguments + 32]);
        _code.mov(_prefetch, __[_arguments + 40]);
    }

    /// <summary>The loop's requests for weights to come, spread evenly.</summary>
    private void Prefetch(int step, int steps)
    {
        for (var line = step * _shape.PrefetchLines / steps; line < (step + 1) * _shape.PrefetchLines / steps; line++)
            _code.prefetcht0(__[_prefetch + (line * VectorBytes)]);
    }

    /// <summary>Sets all lanes to one row's activation of this step, or, for dot products, to its pair.</summary>
    private void BroadcastRow(AssemblerRegisterZMM target, int row, int step) =>
        _code.vbroadcastss(target, __dword_ptr[_rows + ((row * TileSet.ChunkRowBytes(_shape.Format)) + (4 * step) - RowBias)]);

    private void LoadWeights(AssemblerRegisterZMM target, AssemblerRegisterZMM mask, int panel, int step, int half)
    {
        if (_shape.Format != TileFormat.BFloat16)
        {
            _code.vmovups(target, Weight(panel, (2 * step) + half));
            return;
        }

        // A word holds an even input's weight in its low half and the next one's in its high half.
        var word = Weight(panel, (step & ~1) + half);
        if (step % 2 == 0) _code.vpslld(target, word, 16);
        else _code.vpandd(target, mask, word);
    }

    private AssemblerMemoryOperand Weight(int panel, int vector)
    {
        var offset = vector * VectorBytes;
        return panel switch
        {
            0 => __zmmword_ptr[_panel + offset],
            1 => __zmmword_ptr[_panel + _panelBytes + offset],
            2 => __zmmword_ptr[_panel + (_panelBytes * 2) + offset],
            _ => __zmmword_ptr[_panel + _threePanelBytes + offset],
        };
    }

    private void MultiplyAdd(AssemblerRegisterZMM sum, AssemblerRegisterZMM weights, AssemblerRegisterZMM x)
    {
        if (_shape.Format == TileFormat.BFloat16Dot) _code.vdpbf16ps(sum, weights, x);
        else _code.vfmadd231ps(sum, weights, x);
    }

    private AssemblerRegisterZMM Take() => Vectors[_used++];

    private AssemblerRegisterZMM[] TakeMany(int count)
    {
        var taken = new AssemblerRegisterZMM[count];
        for (var i = 0; i < count; i++) taken[i] = Take();
        return taken;
    }
}
