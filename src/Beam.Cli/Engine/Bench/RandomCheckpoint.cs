using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Beam.Cli.Engine.Bench;

/// <summary>
/// A checkpoint of random weights in bfloat16, seeded. It says nothing, at the speed of a model of its shape that would.
/// </summary>
internal static class RandomCheckpoint
{
    /// <summary>Writes config.json and model.safetensors into a folder.</summary>
    public static void Write(CheckpointShape shape, string folder, int seed = 1)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), JsonSerializer.Serialize(shape.Config()));
        var tensors = shape.Tensors().ToArray();
        using var file = File.Create(Path.Combine(folder, "model.safetensors"));
        WriteHeader(file, tensors);
        var random = new Random(seed);
        var buffer = new ushort[1 << 19];

        // Gemma's norms are stored as the distance from one.
        var normWeight = shape.ModelType == "gemma" ? (ushort)0 : (ushort)0x3F80;
        foreach (var (name, sizes) in tensors)
        {
            var isNorm = name.EndsWith("norm.weight", StringComparison.Ordinal);
            for (var left = Count(sizes); left > 0;)
            {
                var part = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length));
                if (isNorm) part.Fill(normWeight);
                else FillSmall(random, part);
                file.Write(MemoryMarshal.AsBytes(part));
                left -= part.Length;
            }
        }
    }

    private static void WriteHeader(FileStream file, (string Name, int[] Shape)[] tensors)
    {
        var header = new Dictionary<string, object>();
        var offset = 0L;
        foreach (var (name, shape) in tensors)
        {
            var bytes = 2 * Count(shape);
            header[name] = new { dtype = "BF16", shape, data_offsets = new[] { offset, offset + bytes } };
            offset += bytes;
        }

        var json = JsonSerializer.SerializeToUtf8Bytes(header);
        var padded = (json.Length + 7) / 8 * 8;
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, padded);
        file.Write(length);
        file.Write(json);
        for (var i = json.Length; i < padded; i++) file.WriteByte((byte)' ');
    }

    private static long Count(int[] shape) => shape.Aggregate(1L, (a, b) => a * b);

    /// <summary>Numbers of either sign from 2⁻⁷ to 2⁻⁵ as bfloat16: a sign, exponent 120 or 121, and seven digits.</summary>
    private static void FillSmall(Random random, Span<ushort> values)
    {
        random.NextBytes(MemoryMarshal.AsBytes(values));
        foreach (ref var value in values) value = (ushort)((value & 0x80FF) | 0x3C00);
    }
}
