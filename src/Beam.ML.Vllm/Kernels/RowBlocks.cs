namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Rows cut into as few blocks as tiles can compute. Where there are tiles of any height all blocks are of about the same size; otherwise
/// all but the last are as large as they can be.
/// </summary>
internal readonly struct RowBlocks
{
    private readonly int _larger;
    private readonly int _largerRows, _rows;
    private readonly int _largerTile, _tile;

    public RowBlocks(int rows, TileSet tiles, TileFormat format)
    {
        var most = tiles.MaxRows(format);
        Count = (rows + most - 1) / most;
        (_rows, _larger) = Math.DivRem(rows, Count);
        _largerRows = _larger > 0 ? _rows + 1 : 0;
        if (tiles.RowsFor(_rows) != _rows || tiles.RowsFor(_largerRows) != _largerRows)
            (_larger, _largerRows, _rows) = (Count - 1, Count > 1 ? most : 0, rows - ((Count - 1) * most));
        (_largerTile, _tile) = (tiles.RowsFor(_largerRows), tiles.RowsFor(_rows));
    }

    public int Count { get; }

    /// <summary>Rows of the largest block.</summary>
    public int MostRows => Rows(0);

    /// <summary>Rows of all tiles together, padding included.</summary>
    public int TotalTileRows => FirstTileRow(Count);

    public bool IsLarger(int block) => block < _larger;

    public int FirstRow(int block) => (Math.Min(block, _larger) * _largerRows) + (Math.Max(block - _larger, 0) * _rows);

    public int Rows(int block) => IsLarger(block) ? _largerRows : _rows;

    /// <summary>Rows of the tile that computes a block.</summary>
    public int TileRows(int block) => IsLarger(block) ? _largerTile : _tile;

    public int FirstTileRow(int block) => (Math.Min(block, _larger) * _largerTile) + (Math.Max(block - _larger, 0) * _tile);
}
