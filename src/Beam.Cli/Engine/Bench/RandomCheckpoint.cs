using System.Buffers.Binary;
using System.Globalization;
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

    /// <summary>
    /// Adds a tokenizer.json with as many tokens as the model has: all bytes, and tokens without a meaning. Other programs do not load a model
    /// without one.
    /// </summary>
    public static void WriteTokenizer(int vocabulary, string folder)
    {
        var tokens = new Dictionary<string, int>(vocabulary);
        for (var id = 0; id < vocabulary; id++) tokens[id < 256 ? ByteToken(id) : string.Create(CultureInfo.InvariantCulture, $"<|{id}|>")] = id;
        var cut = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true };
        File.WriteAllBytes(Path.Combine(folder, "tokenizer.json"), JsonSerializer.SerializeToUtf8Bytes(new
        {
            version = "1.0",
            added_tokens = Array.Empty<object>(),
            pre_tokenizer = cut,
            decoder = cut,
            model = new { type = "BPE", vocab = tokens, merges = Array.Empty<string>() },
        }));
    }

    /// <summary>How byte-level tokenizers write a byte: as itself where it can be seen, else as a letter from U+0100 on.</summary>
    private static string ByteToken(int value)
    {
        if (IsVisible(value)) return ((char)value).ToString();
        return ((char)(256 + Enumerable.Range(0, value).Count(b => !IsVisible(b)))).ToString();

        static bool IsVisible(int b) => b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
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
