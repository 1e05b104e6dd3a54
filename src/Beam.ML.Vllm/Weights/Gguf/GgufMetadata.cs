using System.Buffers.Binary;
using System.Text;

namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>The keys and values at the head of a file, written as they are added.</summary>
internal sealed class GgufMetadata
{
    private readonly MemoryStream _bytes = new();
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);

    public int Count => _keys.Count;

    public ReadOnlyMemory<byte> Bytes => _bytes.GetBuffer().AsMemory(0, (int)_bytes.Length);

    public void Add(string key, int value)
    {
        Key(key, GgufValueType.UInt32);
        WriteUInt32(checked((uint)value));
    }

    public void Add(string key, float value)
    {
        Key(key, GgufValueType.Float32);
        WriteFloat(value);
    }

    public void Add(string key, bool value)
    {
        Key(key, GgufValueType.Bool);
        _bytes.WriteByte(value ? (byte)1 : (byte)0);
    }

    public void Add(string key, string value)
    {
        Key(key, GgufValueType.String);
        WriteText(_bytes, Encoding.UTF8.GetBytes(value));
    }

    public void Add(string key, IReadOnlyCollection<byte[]> texts)
    {
        Array(key, GgufValueType.String, texts.Count);
        foreach (var text in texts) WriteText(_bytes, text);
    }

    public void Add(string key, IReadOnlyCollection<float> values)
    {
        Array(key, GgufValueType.Float32, values.Count);
        foreach (var value in values) WriteFloat(value);
    }

    public void Add(string key, IReadOnlyCollection<int> values)
    {
        Array(key, GgufValueType.Int32, values.Count);
        foreach (var value in values) WriteUInt32((uint)value);
    }

    /// <summary>Bytes as an array of unsigned 8-bit integers.</summary>
    public void Add(string key, ReadOnlySpan<byte> bytes)
    {
        Array(key, element: 0, bytes.Length);
        _bytes.Write(bytes);
    }

    /// <summary>A length of eight bytes, then the text.</summary>
    public static void WriteText(Stream target, ReadOnlySpan<byte> utf8)
    {
        WriteUInt64(target, (ulong)utf8.Length);
        target.Write(utf8);
    }

    public static void WriteUInt64(Stream target, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        target.Write(bytes);
    }

    public static void WriteUInt32(Stream target, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        target.Write(bytes);
    }

    private void Array(string key, GgufValueType element, int count)
    {
        Key(key, GgufValueType.Array);
        WriteUInt32((uint)element);
        WriteUInt64(_bytes, (ulong)count);
    }

    private void Key(string key, GgufValueType type)
    {
        if (!_keys.Add(key)) throw new InvalidOperationException($"The key {key} is there already.");
        WriteText(_bytes, Encoding.UTF8.GetBytes(key));
        WriteUInt32((uint)type);
    }

    private void WriteUInt32(uint value) => WriteUInt32(_bytes, value);

    private void WriteFloat(float value) => WriteUInt32(BitConverter.SingleToUInt32Bits(value));
}
