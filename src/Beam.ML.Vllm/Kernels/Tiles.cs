namespace Beam.ML.Vllm.Kernels;

/// <summary>What a tile multiplies with what, and how.</summary>
internal enum TileFormat
{
    /// <summary>Weights and activations in float32; fused multiply-adds.</summary>
    Float32,

    /// <summary>Weights in bfloat16 widened to float32, activations in float32; fused multiply-adds.</summary>
    BFloat16,

    /// <summary>Weights and activations in bfloat16; dot products of pairs, summed in float32.</summary>
    BFloat16Dot,

    /// <summary>Weights of a <see cref="QuantizedMatrix"/> in 8 bits, activations as <see cref="Int8Rows"/> has them; dot products of four.</summary>
    Int8Dot,

    /// <summary>Weights in 4 bits, likewise.</summary>
    Int4Dot,
}

/// <summary>The innermost loop of matrix multiplication: a block of rows of activations against some neighbouring panels of weights.</summary>
/// <param name="Format">What is multiplied.</param>
/// <param name="Rows">Rows of activations.</param>
/// <param name="Panels">Panels of weights.</param>
/// <param name="PrefetchAhead">How many bytes ahead of what it reads of a panel the loop asks for weights; 0 for not at all.</param>
/// <param name="PrefetchLines">Cache lines that each pass through the loop asks for, from <see cref="TileArguments.Prefetch"/> on.</param>
/// <param name="GroupsPerPass">For 8-bit activations, their groups that share a scale of the weights.</param>
/// <param name="HasZeroPoints">Whether quantized weights have zero points.</param>
/// <param name="HasFloat32Scales">Whether their scales are in float32.</param>
/// <param name="Continues">Whether sums start at what is in the tile, and not at zero. Not for 8-bit activations.</param>
internal readonly record struct TileShape(
    TileFormat Format, int Rows, int Panels = 1, int PrefetchAhead = 0, int PrefetchLines = 0, int GroupsPerPass = 1, bool HasZeroPoints = false, bool HasFloat32Scales = false,
    bool Continues = false)
{
    /// <summary>Whether activations are in 8 bits.</summary>
    public bool HasInt8Rows => Format is TileFormat.Int8Dot or TileFormat.Int4Dot;
}

/// <summary>What a tile is computed from, in the layout that assembled code reads.</summary>
internal unsafe struct TileArguments
{
    /// <summary>The first panel.</summary>
    public byte* Panel;

    /// <summary>Bytes from one panel to the next.</summary>
    public nint PanelBytes;

    /// <summary>A block of rows: a chunk of inputs of each row, then the next chunk of each row.</summary>
    public byte* Rows;

    /// <summary>Where the results go: row after row, each of all columns of all panels.</summary>
    public float* Tile;

    /// <summary>Passes through the loop, one or more: chunks of inputs, or blocks of a <see cref="QuantizedMatrix"/>.</summary>
    public nint Passes;

    /// <summary>Weights that will be needed soon.</summary>
    public byte* Prefetch;

    /// <summary>Where code keeps registers that its caller wants back as they were.</summary>
    public fixed byte Saved[160];
}

/// <summary>The code for one shape of tiles; valid as long as the set it came from.</summary>
internal readonly unsafe struct TileKernel
{
    private readonly nint _code;
    private readonly bool _isAssembled;

    public TileKernel(delegate*<TileArguments*, void> method) => (_code, _isAssembled) = ((nint)method, false);

    public TileKernel(delegate* unmanaged<TileArguments*, void> code) => (_code, _isAssembled) = ((nint)code, true);

    public void Run(TileArguments* arguments)
    {
        if (_isAssembled) ((delegate* unmanaged<TileArguments*, void>)_code)(arguments);
        else ((delegate*<TileArguments*, void>)_code)(arguments);
    }
}

/// <summary>
/// The tiles that one way of computing has. Each sum is one chain over the inputs 0, 1, 2 …, in tiles of every shape: that is what makes a
/// row's result the same whichever rows it is computed with.
/// </summary>
internal abstract class TileSet : IDisposable
{
    /// <summary>Inputs in a chunk. Panels and rows are padded with zeros to whole chunks.</summary>
    public const int ChunkInputs = 16;

    /// <summary>Floats in the largest tile: 14 rows of a panel, or 12 of panels in rows, of the widest vectors.</summary>
    public const int TileFloats = 14 * 32;

    /// <summary>Rows that a tile can have at most.</summary>
    public abstract int MaxRows(TileFormat format);

    /// <summary>The rows of the tile that computes so many; what is over is padding that is not stored.</summary>
    public abstract int RowsFor(int rows);

    /// <summary>Panels that a tile of so many rows should have, as long as there are as many.</summary>
    public abstract int PanelsFor(TileFormat format, int rows);

    /// <summary>Whether sums can go on where another tile left them.</summary>
    public abstract bool CanContinue(TileFormat format);

    /// <summary>Only for the thread of the step loop; what it returns, any thread may run.</summary>
    public abstract TileKernel Kernel(TileShape shape);

    public abstract void Dispose();

    /// <summary>Bytes of a chunk of one row's activations, in formats that have chunks.</summary>
    public static int ChunkRowBytes(TileFormat format) => ChunkInputs * (format == TileFormat.BFloat16Dot ? sizeof(ushort) : sizeof(float));
}
