using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Beam.ML.Vllm.Kernels.Assembly;

/// <summary>
/// Writes the innermost loops of matrix multiplication for AVX-512. A tile keeps two vectors of sums for each row and panel, so many that
/// every sum has a register. Each sum is one chain over the inputs 0, 1, 2 …, whatever the tile's shape: a row's result does not depend on
/// the rows it is computed with.
/// </summary>
internal abstract class TileAssembler
{
    protected const int VectorBytes = 64;

    /// <summary>A word of each of a panel's columns.</summary>
    protected const int PanelRowBytes = 2 * VectorBytes;

    // Offsets within the rows are encoded in a byte, times four, if they are near enough to zero, on either side.
    private const int RowBias = 512;

    // The registers that both calling conventions let a function change come first; Windows wants the last ten back.
    private static readonly AssemblerRegisterZMM[] Vectors =
    [
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
    ];

    private static readonly AssemblerRegisterXMM[] Preserved = [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];

    private readonly AssemblerRegister64 _panel = rax, _rows = rdx, _passes = r8, _panelBytes = r9, _threePanelBytes = r10, _prefetch = r11;
    private readonly AssemblerRegisterZMM[] _sums;
    private int _used;

    protected TileAssembler(TileShape shape)
    {
        Shape = shape;
        _sums = TakeMany(2 * shape.Rows * shape.Panels);
        Weights = TakeMany(2);
    }

    protected Assembler Code { get; } = new(64);

    protected TileShape Shape { get; }

    /// <summary>Registers for one row of a panel.</summary>
    protected AssemblerRegisterZMM[] Weights { get; }

    /// <summary>Bytes of a panel, and of all rows together, that one pass through the loop takes.</summary>
    protected abstract (int Panel, int Rows) PassBytes { get; }

    /// <summary>Steps in a pass, for the requests for weights to come to be spread over.</summary>
    protected abstract int Steps { get; }

    public static byte[] Assemble(TileShape shape, bool windows)
    {
        TileAssembler assembler = shape.HasInt8Rows ? new Int8TileAssembler(shape) : new FloatTileAssembler(shape);
        assembler.Write(windows);
        using var stream = new MemoryStream();
        assembler.Code.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }

    /// <summary>What comes before all else; general registers have nothing in them yet but the argument.</summary>
    protected virtual void WriteStart()
    {
    }

    /// <summary>One pass through the loop.</summary>
    protected abstract void WritePass();

    protected AssemblerRegisterZMM Sum(int row, int panel, int half) => _sums[(((row * Shape.Panels) + panel) * 2) + half];

    protected AssemblerRegisterZMM[] TakeMany(int count)
    {
        var taken = new AssemblerRegisterZMM[count];
        for (var i = 0; i < count; i++) taken[i] = Vectors[_used++];
        return taken;
    }

    /// <summary>
    /// Registers for the rows' activations: one for each row if there are several panels to multiply with and so many are left; else some to
    /// take turns.
    /// </summary>
    protected AssemblerRegisterZMM[] TakeRows()
    {
        var left = Vectors.Length - _used;
        return TakeMany(Math.Min(left, KeepsRows(left) ? Math.Max(Shape.Rows, 2) : 4));
    }

    /// <summary>Whether each row has a register of its own, which is loaded once for all panels.</summary>
    protected bool KeepsRows(int registers) => Shape.Panels > 1 && registers >= Shape.Rows;

    protected AssemblerMemoryOperand Row(int offset) => _rows + (offset - RowBias);

    protected AssemblerMemoryOperand Panel(int panel, int offset) => panel switch
    {
        0 => __zmmword_ptr[_panel + offset],
        1 => __zmmword_ptr[_panel + _panelBytes + offset],
        2 => __zmmword_ptr[_panel + (_panelBytes * 2) + offset],
        _ => __zmmword_ptr[_panel + _threePanelBytes + offset],
    };

    /// <summary>Asks for weights to come: a step's part of what a pass asks for.</summary>
    protected void Prefetch(int step)
    {
        if (Shape.PrefetchAhead > 0)
        {
            var lines = PassBytes.Panel / VectorBytes;
            for (var panel = 0; panel < Shape.Panels; panel++)
            {
                for (var line = step * lines / Steps; line < (step + 1) * lines / Steps; line++)
                    Code.prefetcht0(Panel(panel, Shape.PrefetchAhead + (line * VectorBytes)));
            }
        }

        for (var line = step * Shape.PrefetchLines / Steps; line < (step + 1) * Shape.PrefetchLines / Steps; line++)
            Code.prefetcht0(__[_prefetch + (line * VectorBytes)]);
    }

    /// <summary>Zeros, or what is in the tile; the panels' register is free yet.</summary>
    private void WriteFirstSums(AssemblerMemoryOperand tileArgument)
    {
        if (Shape.Continues) Code.mov(_panel, tileArgument);
        for (var i = 0; i < _sums.Length; i++)
        {
            if (Shape.Continues) Code.vmovups(_sums[i], __zmmword_ptr[_panel + (i * VectorBytes)]);
            else Code.vpxord(_sums[i], _sums[i], _sums[i]);
        }
    }

    private void Write(bool windows)
    {
        var arguments = windows ? rcx : rdi;
        var saved = windows ? Math.Clamp(_used - (Vectors.Length - Preserved.Length), 0, Preserved.Length) : 0;
        for (var i = 0; i < saved; i++) Code.vmovups(__xmmword_ptr[arguments + 48 + (16 * i)], Preserved[i]);
        WriteStart();
        WriteFirstSums(__[arguments + 24]);
        Code.mov(_panel, __[arguments]);
        Code.mov(_panelBytes, __[arguments + 8]);
        Code.lea(_threePanelBytes, __[_panelBytes + (_panelBytes * 2)]);
        Code.mov(_rows, __[arguments + 16]);
        Code.add(_rows, RowBias);
        Code.mov(_passes, __[arguments + 32]);
        Code.mov(_prefetch, __[arguments + 40]);

        var loop = Code.CreateLabel();
        Code.Label(ref loop);
        WritePass();
        Code.add(_panel, PassBytes.Panel);
        Code.add(_rows, PassBytes.Rows);
        if (Shape.PrefetchLines > 0) Code.add(_prefetch, Shape.PrefetchLines * VectorBytes);
        Code.dec(_passes);
        Code.jnz(loop);

        var tile = _rows;
        Code.mov(tile, __[arguments + 24]);
        for (var i = 0; i < _sums.Length; i++) Code.vmovups(__zmmword_ptr[tile + (i * VectorBytes)], _sums[i]);
        for (var i = 0; i < saved; i++) Code.vmovups(Preserved[i], __xmmword_ptr[arguments + 48 + (16 * i)]);
        Code.vzeroupper();
        Code.ret();
    }
}
