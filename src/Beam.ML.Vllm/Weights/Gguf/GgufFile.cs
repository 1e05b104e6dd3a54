using System.Text;

namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>Writes a GGUF file: a head of metadata, the list of tensors, then their numbers, each tensor aligned.</summary>
internal static class GgufFile
{
    private const int ChunkBytes = 8 << 20;

    public static void Write(string path, GgufMetadata metadata, IReadOnlyList<GgufTensor> tensors, CancellationToken cancellationToken)
    {
        // Nobody finds half a file under the name that was asked for.
        var partial = path + ".partial";
        try
        {
            using (var file = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 20))
            {
                WriteHead(file, metadata, tensors);
                foreach (var tensor in tensors)
                {
                    WriteTensor(file, tensor, cancellationToken);
                    Pad(file);
                }
            }

            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    private static void WriteHead(FileStream file, GgufMetadata metadata, IReadOnlyList<GgufTensor> tensors)
    {
        file.Write(GgufFormat.Magic);
        GgufMetadata.WriteUInt32(file, GgufFormat.Version);
        GgufMetadata.WriteUInt64(file, (ulong)tensors.Count);
        GgufMetadata.WriteUInt64(file, (ulong)metadata.Count);
        file.Write(metadata.Bytes.Span);
        var offset = 0L;
        foreach (var tensor in tensors)
        {
            GgufMetadata.WriteText(file, Encoding.UTF8.GetBytes(tensor.Name));
            GgufMetadata.WriteUInt32(file, (uint)tensor.Shape.Length);
            foreach (var dimension in tensor.Shape.Reverse()) GgufMetadata.WriteUInt64(file, (ulong)dimension);
            GgufMetadata.WriteUInt32(file, GgufFormat.TensorCode(tensor.Type));
            GgufMetadata.WriteUInt64(file, (ulong)offset);
            offset = GgufFormat.Align(offset + tensor.Bytes);
        }

        Pad(file);
    }

    private static void WriteTensor(FileStream file, GgufTensor tensor, CancellationToken cancellationToken)
    {
        var rowBytes = (int)GgufFormat.RowBytes(tensor.Type, tensor.Columns);
        var rowsAtATime = Math.Clamp(ChunkBytes / Math.Max(1, rowBytes), 1, Math.Max(1, tensor.Rows));
        var chunk = new byte[(long)rowsAtATime * rowBytes];
        var parts = Math.Min(Environment.ProcessorCount, rowsAtATime);
        for (var first = 0; first < tensor.Rows; first += rowsAtATime)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(rowsAtATime, tensor.Rows - first);
            Parallel.For(0, parts, part =>
            {
                var values = new float[tensor.Columns];
                for (var row = (int)((long)rows * part / parts); row < (int)((long)rows * (part + 1) / parts); row++)
                {
                    tensor.Read(first + row, values);
                    GgufRowEncoder.Encode(tensor.Type, values, chunk.AsSpan(row * rowBytes, rowBytes), tensor.Name);
                }
            });
            file.Write(chunk.AsSpan(0, rows * rowBytes));
        }
    }

    private static void Pad(FileStream file)
    {
        Span<byte> zeros = stackalloc byte[GgufFormat.Alignment];
        zeros.Clear();
        file.Write(zeros[..(int)(GgufFormat.Align(file.Position) - file.Position)]);
    }
}
