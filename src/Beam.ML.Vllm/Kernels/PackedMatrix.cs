using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>How a packed matrix holds its numbers.</summary>
internal enum WeightFormat
{
    Float32,
    BFloat16,
}

/// <summary>
/// The weights of a linear layer, in the order in which the kernels read them. <see cref="WeightMatrix.Outputs"/> columns are cut into
/// panels of <see cref="PanelWidth"/>; a panel holds, for input 0, 1, 2 …, its columns' weights side by side, so that a step reads memory straight
/// through. In bfloat16 a 32-bit word holds a column's weights of two inputs, the even one in the low half: one shift or one mask makes
/// floats of them, and instructions that multiply pairs take them as they are. What is past the end, in either direction, is zero.
/// </summary>
internal sealed unsafe class PackedMatrix : WeightMatrix
{
    private readonly NativeBuffer<byte> _data;

    public PackedMatrix(int outputs, int inputs, WeightFormat format, int panelWidth) : base(outputs, inputs)
    {
        (Format, PanelWidth) = (format, panelWidth);
        Chunks = (inputs + TileSet.ChunkInputs - 1) / TileSet.ChunkInputs;
        ElementBytes = format == WeightFormat.BFloat16 ? 2 : 4;
        PanelBytes = (long)Chunks * TileSet.ChunkInputs * panelWidth * ElementBytes;
        Panels = (outputs + panelWidth - 1) / panelWidth;
        _data = new NativeBuffer<byte>(Panels * PanelBytes);
        var chunkBytes = TileSet.ChunkInputs * panelWidth * ElementBytes;
        if (inputs % TileSet.ChunkInputs != 0)
        {
            for (var panel = 1; panel <= Panels; panel++) new Span<byte>(Panel(panel) - chunkBytes, chunkBytes).Clear();
        }

        if (outputs % panelWidth == 0) return;
        for (var chunk = 0; chunk < Chunks; chunk++) new Span<byte>(Panel(Panels - 1) + ((long)chunk * chunkBytes), chunkBytes).Clear();
    }

    public WeightFormat Format { get; }

    public int PanelWidth { get; }

    public int Panels { get; }

    /// <summary>Chunks of inputs in a panel, the last one padded.</summary>
    public int Chunks { get; }

    public long PanelBytes { get; }

    public int ElementBytes { get; }

    public override long Bytes => Panels * PanelBytes;

    public byte* Panel(int panel) => _data.Pointer + (panel * PanelBytes);

    /// <summary>Writes the weights from input to one output, in input order.</summary>
    /// <remarks>Loading calls it once for each row and is over before the JIT would come back to it.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void SetOutput(int output, ReadOnlySpan<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(weights.Length, Inputs);
        var slot = Slot(output);
        if (Format == WeightFormat.Float32)
        {
            var to = (float*)slot;
            for (var i = 0; i < weights.Length; i++, to += PanelWidth) *to = weights[i];
            return;
        }

        var pair = (uint*)slot;
        for (var i = 0; i < weights.Length; i += 2, pair += PanelWidth)
        {
            uint even = BFloat16Bits.FromSingle(weights[i]), odd = i + 1 < weights.Length ? BFloat16Bits.FromSingle(weights[i + 1]) : 0u;
            *pair = even | (odd << 16);
        }
    }

    public override void GetOutput(int output, float scale, Span<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(weights.Length, Inputs);
        var slot = Slot(output);
        if (Format == WeightFormat.Float32)
        {
            var from = (float*)slot;
            for (var i = 0; i < weights.Length; i++, from += PanelWidth) weights[i] = *from * scale;
            return;
        }

        var pair = (uint*)slot;
        for (var i = 0; i < weights.Length; i += 2, pair += PanelWidth)
        {
            weights[i] = BFloat16Bits.ToSingle((ushort)*pair) * scale;
            if (i + 1 < weights.Length) weights[i + 1] = BFloat16Bits.ToSingle((ushort)(*pair >> 16)) * scale;
        }
    }

    public override void Dispose() => _data.Dispose();

    /// <summary>The first weight of an output, or pair of weights; the next ones follow at a distance of PanelWidth.</summary>
    private byte* Slot(int output)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs);
        return Panel(output / PanelWidth) + (output % PanelWidth * sizeof(float));
    }
}
