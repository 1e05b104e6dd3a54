namespace Beam.ML.Vllm.Kernels;

/// <summary>Rows cut into as few blocks as tiles can compute, all of about the same size: the first ones may have one row more.</summary>
internal readonly struct RowBlocks
{
    private readonly int _rows, _larger;
    private readonly int _largerTile, _tile;

    public RowBlocks(int rows, TileSet tiles, TileFormat format)
    {
        var most = tiles.MaxRows(format);
        Count = (rows + most - 1) / most;
        (_rows, _larger) = Math.DivRem(rows, Count);
        (_largerTile, _tile) = (_larger > 0 ? tiles.RowsFor(_rows + 1) : 0, tiles.RowsFor(_rows));
    }

    public int Count { get; }

    /// <summary>Rows of the largest block.</summary>
    public int MostRows => Rows(0);

    /// <summary>Rows of all tiles together, padding included.</summary>
    public int TotalTileRows => FirstTileRow(Count);

    public bool IsLarger(int block) => block < _larger;

    public int FirstRow(int block) => (block * _rows) + Math.Min(block, _larger);

    public int Rows(int block) => IsLarger(block) ? _rows + 1 : _rows;

    /// <summary>Rows of the tile that computes a block.</summary>
    public int TileRows(int block) => IsLarger(block) ? _largerTile : _tile;

    public int FirstTileRow(int block) => (Math.Min(block, _larger) * _largerTile) + (Math.Max(block - _larger, 0) * _tile);
}
