namespace Beam.ML.Vllm.Kernels;

/// <summary>A view of row-major floats: a row a token, a column a feature. It owns nothing.</summary>
internal readonly unsafe struct Matrix(float* data, int rows, int columns, int stride)
{
    public float* Data => data;

    public int Rows => rows;

    public int Columns => columns;

    /// <summary>Floats from one row to the next; at least <see cref="Columns"/>.</summary>
    public int Stride => stride;

    public float* Row(int row) => data + ((long)row * stride);

    public Span<float> RowSpan(int row) => new(Row(row), columns);

    public void Clear()
    {
        for (var row = 0; row < rows; row++) RowSpan(row).Clear();
    }

    /// <summary>The first rows.</summary>
    public Matrix Take(int count) => new(data, count, columns, stride);

    /// <summary>Some rows, one after the other.</summary>
    public Matrix Slice(int first, int count) => new(Row(first), count, columns, stride);

    /// <summary>All rows of some columns: one part of a merged projection.</summary>
    public Matrix SliceColumns(int start, int count) => new(data + start, rows, count, stride);
}
