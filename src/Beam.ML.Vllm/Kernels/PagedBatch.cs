namespace Beam.ML.Vllm.Kernels;

/// <summary>A run of consecutive rows of a step that belong to one sequence.</summary>
/// <param name="FirstRow">The row of the step that it starts at.</param>
/// <param name="Rows">How many rows.</param>
/// <param name="FirstPosition">The position in the sequence of its first row; what comes before is in the cache.</param>
/// <param name="FirstBlock">Where the sequence's block table starts in <see cref="PagedBatch.BlockTables"/>.</param>
internal readonly record struct SequenceSlice(int FirstRow, int Rows, int FirstPosition, int FirstBlock);

/// <summary>Which rows a step computes: tokens, positions, and the blocks that hold the rest of their sequences. Reused step after step.</summary>
internal sealed class PagedBatch
{
    /// <summary>Rows in this step; the arrays may be longer.</summary>
    public int Rows { get; private set; }

    public int[] TokenIds { get; private set; } = new int[64];

    public int[] Positions { get; private set; } = new int[64];

    public int[] BlockTables { get; private set; } = new int[64];

    public int BlockEntries { get; private set; }

    public List<SequenceSlice> Slices { get; } = [];

    /// <summary>The longest context that a row of this step attends to.</summary>
    public int MaxContext { get; private set; }

    public void Clear()
    {
        (Rows, BlockEntries, MaxContext) = (0, 0, 0);
        Slices.Clear();
    }

    /// <summary>Adds consecutive tokens of one sequence, whose first stands at <paramref name="firstPosition"/>.</summary>
    public void Add(ReadOnlySpan<int> tokens, int firstPosition, ReadOnlySpan<int> blockTable)
    {
        TokenIds = Grown(TokenIds, Rows + tokens.Length);
        Positions = Grown(Positions, Rows + tokens.Length);
        BlockTables = Grown(BlockTables, BlockEntries + blockTable.Length);
        Slices.Add(new SequenceSlice(Rows, tokens.Length, firstPosition, BlockEntries));
        tokens.CopyTo(TokenIds.AsSpan(Rows));
        for (var i = 0; i < tokens.Length; i++) Positions[Rows + i] = firstPosition + i;
        blockTable.CopyTo(BlockTables.AsSpan(BlockEntries));
        Rows += tokens.Length;
        BlockEntries += blockTable.Length;
        MaxContext = Math.Max(MaxContext, firstPosition + tokens.Length);
    }

    private static int[] Grown(int[] array, int length)
    {
        if (array.Length < length) Array.Resize(ref array, Math.Max(length, 2 * array.Length));
        return array;
    }
}
