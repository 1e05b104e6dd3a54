using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>How a packed matrix holds its numbers.</summary>
internal enum WeightFormat
{
    Float32,
    BFloat16,
}

/// <summary>
/// The weights of a linear layer, in the order in which the kernels read them. <see cref="WeightMatrix.Outputs"/> columns are cut into panels of
/// <see cref="PanelWidth"/>; a panel holds, for input 0, 1, 2 …, its columns' weights side by side, so that a step reads memory straight
/// through. In bfloat16 the columns j and j + PanelWidth/2 share a 32-bit word, which splits into two vectors of floats with one shift
/// and one mask. Columns past the end are zero.
/// </summary>
internal sealed unsafe class PackedMatrix : WeightMatrix
{
    private readonly NativeBuffer<byte> _data;

    public PackedMatrix(int outputs, int inputs, WeightFormat format, int panelWidth) : base(outputs, inputs)
    {
        (Format, PanelWidth) = (format, panelWidth);
        ElementBytes = format == WeightFormat.BFloat16 ? 2 : 4;
        PanelBytes = (long)inputs * panelWidth * ElementBytes;
        Panels = (outputs + panelWidth - 1) / panelWidth;
        _data = new NativeBuffer<byte>(Panels * PanelBytes);
        if (outputs % panelWidth != 0) new Span<byte>(Panel(Panels - 1), checked((int)PanelBytes)).Clear();
    }

    public WeightFormat Format { get; }

    public int PanelWidth { get; }

    public int Panels { get; }

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
        if (Format == WeightFormat.BFloat16)
        {
            var to = (ushort*)slot;
            for (var i = 0; i < weights.Length; i++, to += PanelWidth) *to = BFloat16Bits.FromSingle(weights[i]);
        }
        else
        {
            var to = (float*)slot;
            for (var i = 0; i < weights.Length; i++, to += PanelWidth) *to = weights[i];
        }
    }

    public override void GetOutput(int output, float scale, Span<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(weights.Length, Inputs);
        var slot = Slot(output);
        if (Format == WeightFormat.BFloat16)
        {
            var from = (ushort*)slot;
            for (var i = 0; i < weights.Length; i++, from += PanelWidth) weights[i] = BFloat16Bits.ToSingle(*from) * scale;
        }
        else
        {
            var from = (float*)slot;
            for (var i = 0; i < weights.Length; i++, from += PanelWidth) weights[i] = *from * scale;
        }
    }

    public override void Dispose() => _data.Dispose();

    /// <summary>The first weight of an output; the next ones follow at a distance of PanelWidth elements.</summary>
    private byte* Slot(int output)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs);
        var column = output % PanelWidth;
        if (Format == WeightFormat.BFloat16)
        {
            var half = PanelWidth / 2;
            column = column < half ? 2 * column : (2 * (column - half)) + 1;
        }

        return Panel(output / PanelWidth) + (column * ElementBytes);
    }
}
