using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>How a quantized matrix is laid out; the same for all matrices that can be joined side by side.</summary>
/// <param name="Code">What its numbers are.</param>
/// <param name="GroupSize">Consecutive inputs (in the order of <see cref="InputOrder"/>) that share a scale; the last group may have fewer.</param>
/// <param name="HasZeroPoints">Each group has a number that is subtracted from its codes.</param>
/// <param name="HasFloat32Scales">Scales have more digits than bfloat16.</param>
internal sealed record QuantizedLayout(WeightCode Code, int GroupSize, bool HasZeroPoints = false, bool HasFloat32Scales = false)
{
    /// <summary>The input at each place, where groups are not made of neighbours (act-order); null for 0, 1, 2 …</summary>
    public int[]? InputOrder { get; init; }

    public int Groups(int inputs) => (int)(((long)inputs + GroupSize - 1) / GroupSize);

    public bool Equals(QuantizedLayout? other) =>
        other is not null && (Code, GroupSize, HasZeroPoints, HasFloat32Scales) == (other.Code, other.GroupSize, other.HasZeroPoints, other.HasFloat32Scales)
        && (ReferenceEquals(InputOrder, other.InputOrder) || (InputOrder is not null && other.InputOrder is not null && InputOrder.AsSpan().SequenceEqual(other.InputOrder)));

    public override int GetHashCode() => HashCode.Combine(Code, GroupSize, HasZeroPoints, HasFloat32Scales);
}

/// <summary>
/// Weights of 8 or 4 bits: weight = scale × (code − zero point), scale and zero point shared by a group of inputs. Columns are cut into
/// panels of <see cref="PanelWidth"/>; a panel is a run of blocks, each of at most 128 inputs of one group: first the codes, for 4 (or 8)
/// inputs at a time a 32-bit word for each column, then the columns' scales, then their zero points. Of the 8 codes in a word the even
/// half-bytes hold inputs 0 to 3, the odd ones 4 to 7, so that a mask leaves four bytes of consecutive inputs either way. Inputs past the
/// end meet zeros in x; columns past the end are zero.
/// </summary>
internal sealed unsafe class QuantizedMatrix : WeightMatrix
{
    private const int MaxBlockSize = 128;

    private readonly NativeBuffer<byte> _data;

    public QuantizedMatrix(int outputs, int inputs, QuantizedLayout layout, int panelWidth) : base(outputs, inputs)
    {
        if (!CanGroup(layout.GroupSize, inputs)) throw new ArgumentException($"Groups of {layout.GroupSize} of {inputs} inputs do not divide into blocks of at least 8.");
        if (layout.InputOrder is { } order && order.Length != inputs) throw new ArgumentException($"An order of {order.Length} inputs does not fit {inputs}.");
        (Layout, PanelWidth, BlockSize) = (layout, panelWidth, BlockSizeFor(layout.GroupSize, inputs));
        Blocks = (inputs + BlockSize - 1) / BlockSize;
        CodeRows = BlockSize / layout.Code.PerWord();
        ScalesOffset = CodeRows * panelWidth * sizeof(uint);
        ZerosOffset = ScalesOffset + (panelWidth * (layout.HasFloat32Scales ? sizeof(float) : sizeof(ushort)));
        BlockBytes = ZerosOffset + (layout.HasZeroPoints ? panelWidth * sizeof(ushort) : 0);
        PanelBytes = (long)Blocks * BlockBytes;
        Panels = (outputs + panelWidth - 1) / panelWidth;
        _data = new NativeBuffer<byte>(Panels * PanelBytes);
        if (outputs % panelWidth != 0) Clear(Panel(Panels - 1), PanelBytes);
    }

    public QuantizedLayout Layout { get; }

    public int PanelWidth { get; }

    public int Panels { get; }

    public long PanelBytes { get; }

    /// <summary>Inputs in a block.</summary>
    public int BlockSize { get; }

    public int Blocks { get; }

    /// <summary>Rows of words in a block.</summary>
    public int CodeRows { get; }

    public int BlockBytes { get; }

    /// <summary>Where the scales of a block start.</summary>
    public int ScalesOffset { get; }

    /// <summary>Where the zero points of a block start, if it has any.</summary>
    public int ZerosOffset { get; }

    /// <summary>Inputs with those past the end that fill the last block.</summary>
    public int PaddedInputs => Blocks * BlockSize;

    public override long Bytes => (Panels * PanelBytes) + (Layout.InputOrder is null ? 0 : (long)Inputs * sizeof(int));

    /// <summary>Whether groups of a size can be laid out in blocks.</summary>
    public static bool CanGroup(int groupSize, int inputs) => groupSize >= inputs ? groupSize > 0 : groupSize > 0 && groupSize % 8 == 0;

    /// <summary>What one weight takes on average, scales and zero points included, in bits.</summary>
    public static double BitsPerWeight(QuantizedLayout layout, int inputs)
    {
        var perBlock = (layout.HasFloat32Scales ? 32 : 16) + (layout.HasZeroPoints ? 16 : 0);
        return (32.0 / layout.Code.PerWord()) + ((double)perBlock / BlockSizeFor(layout.GroupSize, inputs));
    }

    public byte* Panel(int panel) => _data.Pointer + (panel * PanelBytes);

    /// <summary>Writes the weights from input to one output.</summary>
    /// <param name="output">The output.</param>
    /// <param name="codes">A code for each input, in the order of the layout.</param>
    /// <param name="scales">A scale for each group.</param>
    /// <param name="zeros">A zero point for each group, in what codes stand for; empty if the layout has none.</param>
    /// <remarks>Loading calls it once for each row and is over before the JIT would come back to it.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void SetOutput(int output, ReadOnlySpan<byte> codes, ReadOnlySpan<float> scales, ReadOnlySpan<float> zeros)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(codes.Length, Inputs);
        ArgumentOutOfRangeException.ThrowIfNotEqual(scales.Length, Layout.Groups(Inputs));
        ArgumentOutOfRangeException.ThrowIfNotEqual(zeros.Length, Layout.HasZeroPoints ? scales.Length : 0);
        var block = Block(output, out var column);
        var (half, unit) = (HalfColumn(column), Layout.Code.KernelUnit());
        for (int first = 0; first < Inputs; first += BlockSize, block += BlockBytes)
        {
            WriteCodes((uint*)block + column, codes[first..Math.Min(first + BlockSize, Inputs)]);
            var group = first / Layout.GroupSize;
            if (Layout.HasFloat32Scales) ((float*)(block + ScalesOffset))[column] = scales[group] / unit;
            else ((ushort*)(block + ScalesOffset))[half] = BFloat16Bits.FromSingle(scales[group] / unit);
            if (Layout.HasZeroPoints) ((ushort*)(block + ZerosOffset))[half] = BFloat16Bits.FromSingle(zeros[group] * unit);
        }
    }

    public override void GetOutput(int output, float scale, Span<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(weights.Length, Inputs);
        var block = Block(output, out var column);
        var (code, half, perWord) = (Layout.Code, HalfColumn(column), Layout.Code.PerWord());
        var values = stackalloc float[256];
        for (var i = 0; i < (perWord == 4 ? 256 : 16); i++) values[i] = code.ToSingle((uint)i) * code.KernelUnit();
        for (int first = 0; first < Inputs; first += BlockSize, block += BlockBytes)
        {
            var factor = Layout.HasFloat32Scales ? ((float*)(block + ScalesOffset))[column] : BFloat16Bits.ToSingle(((ushort*)(block + ScalesOffset))[half]);
            var zero = Layout.HasZeroPoints ? BFloat16Bits.ToSingle(((ushort*)(block + ZerosOffset))[half]) : 0;
            var words = (uint*)block + column;
            for (int i = first, end = Math.Min(first + BlockSize, Inputs); i < end; i++)
            {
                var place = i - first;
                var word = words[place / perWord * PanelWidth];
                var bits = perWord == 4 ? (word >> (8 * (place % 4))) & 0xFF : (word >> NibbleBit(place % 8)) & 0xF;
                weights[Layout.InputOrder?[i] ?? i] = (values[bits] - zero) * factor * scale;
            }
        }
    }

    public override void Dispose() => _data.Dispose();

    /// <summary>Where the code of an input, 0 to 7, lies in a word of eight.</summary>
    public static int NibbleBit(int index) => index < 4 ? 8 * index : (8 * (index - 4)) + 4;

    /// <summary>Blocks divide groups; longer blocks cost less where the group allows.</summary>
    private static int BlockSizeFor(int groupSize, int inputs)
    {
        if (groupSize >= inputs)
        {
            // One group: any block does that wastes little.
            for (var size = MaxBlockSize; size > 32; size /= 2)
            {
                if (inputs % size == 0) return size;
            }

            return 32;
        }

        var block = MaxBlockSize;
        while (groupSize % block != 0) block /= 2;
        return block;
    }

    private static void Clear(byte* start, long bytes)
    {
        for (var done = 0L; done < bytes; done += 1 << 30) new Span<byte>(start + done, (int)Math.Min(bytes - done, 1 << 30)).Clear();
    }

    private byte* Block(int output, out int column)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs);
        column = output % PanelWidth;
        return Panel(output / PanelWidth);
    }

    /// <summary>Columns j and j + PanelWidth/2 share a 32-bit word, as in a <see cref="PackedMatrix"/>.</summary>
    private int HalfColumn(int column) => column < PanelWidth / 2 ? 2 * column : (2 * (column - (PanelWidth / 2))) + 1;

    private void WriteCodes(uint* words, ReadOnlySpan<byte> codes)
    {
        var perWord = Layout.Code.PerWord();
        for (var row = 0; row < CodeRows; row++, words += PanelWidth)
        {
            var some = row * perWord >= codes.Length ? default : codes[(row * perWord)..Math.Min((row + 1) * perWord, codes.Length)];
            var word = 0u;
            for (var i = 0; i < some.Length; i++) word |= perWord == 4 ? (uint)some[i] << (8 * i) : (uint)(some[i] & 0xF) << NibbleBit(i);
            *words = word;
        }
    }
}
