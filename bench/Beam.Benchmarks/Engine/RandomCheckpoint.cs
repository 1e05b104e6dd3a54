using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Beam.Benchmarks.Engine;

/// <summary>A checkpoint in a temporary folder: a Gemma in the shape of Qwen2.5-0.5B with a smaller vocabulary, its weights random. Deleted with the object.</summary>
internal sealed class RandomCheckpoint : IDisposable
{
    public const int Vocabulary = 32_768;
    public const int Hidden = 896;
    public const int Layers = 24;
    public const int Heads = 14;
    public const int KeyValueHeads = 2;
    public const int HeadSize = 64;
    public const int Intermediate = 4864;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("beam-random-model-");

    public RandomCheckpoint()
    {
        try
        {
            WriteConfig();
            WriteWeights();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Weights of all decoder layers.</summary>
    public static long LayerParameters { get; } =
        (long)Layers * Hidden * ((Heads * HeadSize * 2) + (2 * KeyValueHeads * HeadSize) + (3 * Intermediate));

    /// <summary>Weights of the embedding, which is the head as well.</summary>
    public static long HeadParameters { get; } = (long)Vocabulary * Hidden;

    public static long Parameters => LayerParameters + HeadParameters;

    public string Folder => _folder.FullName;

    public void Dispose() => _folder.Delete(recursive: true);

    private void WriteConfig() => File.WriteAllText(Path.Combine(Folder, "config.json"), JsonSerializer.Serialize(new Dictionary<string, object>
    {
        ["architectures"] = new[] { "GemmaForCausalLM" },
        ["torch_dtype"] = "bfloat16",
        ["vocab_size"] = Vocabulary,
        ["hidden_size"] = Hidden,
        ["intermediate_size"] = Intermediate,
        ["num_hidden_layers"] = Layers,
        ["num_attention_heads"] = Heads,
        ["num_key_value_heads"] = KeyValueHeads,
        ["head_dim"] = HeadSize,
        ["rms_norm_eps"] = 1e-6,
        ["rope_theta"] = 10000.0,
        ["max_position_embeddings"] = 2048,
    }));

    private void WriteWeights()
    {
        var tensors = Shapes().ToArray();
        var header = new Dictionary<string, object>();
        var offset = 0L;
        foreach (var (name, shape) in tensors)
        {
            var bytes = 2L * shape.Aggregate(1L, (a, b) => a * b);
            header[name] = new { dtype = "BF16", shape, data_offsets = new[] { offset, offset + bytes } };
            offset += bytes;
        }

        var json = JsonSerializer.SerializeToUtf8Bytes(header);
        var padded = (json.Length + 7) / 8 * 8;
        using var file = File.Create(Path.Combine(Folder, "model.safetensors"));
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, padded);
        file.Write(length);
        file.Write(json);
        for (var i = json.Length; i < padded; i++) file.WriteByte((byte)' ');

        var random = new Random(1);
        var buffer = new ushort[1 << 19];
        foreach (var (name, shape) in tensors)
        {
            // Norms are stored as the distance from one.
            var isNorm = name.EndsWith("norm.weight", StringComparison.Ordinal);
            for (var left = shape.Aggregate(1L, (a, b) => a * b); left > 0;)
            {
                var part = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length));
                if (isNorm) part.Clear();
                else FillSmall(random, part);
                file.Write(MemoryMarshal.AsBytes(part));
                left -= part.Length;
            }
        }
    }

    /// <summary>Numbers of either sign from 2⁻⁷ to 2⁻⁵ as bfloat16: a sign, exponent 120 or 121, and seven digits.</summary>
    private static void FillSmall(Random random, Span<ushort> values)
    {
        random.NextBytes(MemoryMarshal.AsBytes(values));
        foreach (ref var value in values) value = (ushort)((value & 0x80FF) | 0x3C00);
    }

    private static IEnumerable<(string Name, int[] Shape)> Shapes()
    {
        yield return ("model.embed_tokens.weight", [Vocabulary, Hidden]);
        for (var i = 0; i < Layers; i++)
        {
            var layer = $"model.layers.{i}";
            yield return ($"{layer}.input_layernorm.weight", [Hidden]);
            yield return ($"{layer}.self_attn.q_proj.weight", [Heads * HeadSize, Hidden]);
            yield return ($"{layer}.self_attn.k_proj.weight", [KeyValueHeads * HeadSize, Hidden]);
            yield return ($"{layer}.self_attn.v_proj.weight", [KeyValueHeads * HeadSize, Hidden]);
            yield return ($"{layer}.self_attn.o_proj.weight", [Hidden, Heads * HeadSize]);
            yield return ($"{layer}.post_attention_layernorm.weight", [Hidden]);
            yield return ($"{layer}.mlp.gate_proj.weight", [Intermediate, Hidden]);
            yield return ($"{layer}.mlp.up_proj.weight", [Intermediate, Hidden]);
            yield return ($"{layer}.mlp.down_proj.weight", [Hidden, Intermediate]);
        }

        yield return ("model.norm.weight", [Hidden]);
    }
}
