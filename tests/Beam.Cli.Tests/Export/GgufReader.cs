using System.Text;

namespace Beam.Cli.Tests.Export;

/// <summary>Reads a GGUF file as its specification has it, with nothing of the writer's.</summary>
internal sealed class GgufReader
{
    public sealed record Tensor(string Name, long[] Dimensions, uint Type, long Offset);

    private readonly byte[] _file;
    private readonly long _dataStart;

    public GgufReader(string path)
    {
        _file = File.ReadAllBytes(path);
        using var reader = new BinaryReader(new MemoryStream(_file));
        Magic = Encoding.ASCII.GetString(reader.ReadBytes(4));
        Version = reader.ReadUInt32();
        var tensors = reader.ReadInt64();
        var values = reader.ReadInt64();
        for (var i = 0; i < values; i++)
        {
            var key = Text(reader);
            Metadata.Add(key, Value(reader, reader.ReadUInt32()));
        }

        for (var i = 0; i < tensors; i++)
        {
            var name = Text(reader);
            var dimensions = Enumerable.Range(0, reader.ReadInt32()).Select(_ => reader.ReadInt64()).ToArray();
            Tensors.Add(name, new Tensor(name, dimensions, reader.ReadUInt32(), reader.ReadInt64()));
        }

        _dataStart = (reader.BaseStream.Position + 31) / 32 * 32;
    }

    public string Magic { get; }

    public uint Version { get; }

    public Dictionary<string, object> Metadata { get; } = [];

    public Dictionary<string, Tensor> Tensors { get; } = [];

    public long Length => _file.Length;

    public long DataStart => _dataStart;

    /// <summary>A row, the first dimension being its length.</summary>
    public float[] Row(string name, long row)
    {
        var tensor = Tensors[name];
        var columns = (int)tensor.Dimensions[0];
        var bytes = _file.AsSpan((int)(_dataStart + tensor.Offset));
        var values = new float[columns];
        for (var i = 0; i < columns; i++)
        {
            var index = (int)(row * columns) + i;
            values[i] = tensor.Type switch
            {
                0 => BitConverter.ToSingle(bytes[(4 * index)..]),
                1 => (float)BitConverter.ToHalf(bytes[(2 * index)..]),
                30 => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(bytes[(2 * index)..]) << 16),
                8 => (float)BitConverter.ToHalf(bytes[(index / 32 * 34)..]) * (sbyte)bytes[(index / 32 * 34) + 2 + (index % 32)],
                var type => throw new InvalidDataException($"Tensor type {type}."),
            };
        }

        return values;
    }

    private static string Text(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadInt64()));

    private static object Value(BinaryReader reader, uint type) => type switch
    {
        0 => reader.ReadByte(),
        4 => reader.ReadUInt32(),
        5 => reader.ReadInt32(),
        6 => reader.ReadSingle(),
        7 => reader.ReadBoolean(),
        8 => Text(reader),
        9 => Array(reader),
        _ => throw new InvalidDataException($"Value type {type}."),
    };

    private static object[] Array(BinaryReader reader)
    {
        var type = reader.ReadUInt32();
        var values = new object[reader.ReadInt64()];
        for (var i = 0; i < values.Length; i++) values[i] = Value(reader, type);
        return values;
    }
}
