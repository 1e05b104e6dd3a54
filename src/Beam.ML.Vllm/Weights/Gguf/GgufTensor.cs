namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Reads one row of a tensor, all dimensions but the last counted as rows. Called by several threads at a time.</summary>
internal delegate void GgufRows(int row, Span<float> target);

/// <summary>A tensor to write.</summary>
/// <param name="Name">By llama.cpp's names.</param>
/// <param name="Shape">The slowest dimension first, as in safetensors; the file has them the other way round.</param>
/// <param name="Type">What it is stored in.</param>
/// <param name="Read">Its numbers.</param>
internal sealed record GgufTensor(string Name, long[] Shape, GgufType Type, GgufRows Read)
{
    public int Columns => checked((int)Shape[^1]);

    public int Rows => checked((int)Shape[..^1].Aggregate(1L, (a, b) => a * b));

    public long Bytes => Rows * GgufFormat.RowBytes(Type, Columns);
}
