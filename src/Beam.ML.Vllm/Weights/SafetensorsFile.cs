using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Text.Json;

namespace Beam.ML.Vllm.Weights;

/// <summary>
/// A memory-mapped safetensors file: eight bytes of header length, a JSON header of names, types, shapes and offsets, then the data.
/// Everything in the header is checked against the file before a tensor is handed out.
/// </summary>
internal sealed unsafe class SafetensorsFile : IDisposable
{
    /// <summary>The limit of the format's own library.</summary>
    private const long MaxHeaderBytes = 100_000_000;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Dictionary<string, TensorView> _tensors = new(StringComparer.Ordinal);
    private readonly string _path;

    private SafetensorsFile(string path, long length)
    {
        _path = path;
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        _view = _file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        start += _view.PointerOffset;
        try
        {
            ReadHeader(start, length);
        }
        catch (InvalidOperationException e)
        {
            Dispose();
            throw new ModelLoadException($"'{path}': the header has text that is not Unicode; download the file again.", e);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IReadOnlyDictionary<string, TensorView> Tensors => _tensors;

    public static SafetensorsFile Open(string path)
    {
        try
        {
            var length = new FileInfo(path).Length;
            if (length < 8) throw new ModelLoadException($"'{path}' is truncated: it has {length} bytes; download it again.");
            return new SafetensorsFile(path, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"'{path}' cannot be read: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        _tensors.Clear();
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    private void ReadHeader(byte* start, long length)
    {
        var headerLength = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(start, 8));
        if (headerLength > MaxHeaderBytes) throw Broken($"its header claims {headerLength} bytes, over the limit of {MaxHeaderBytes}; it is not a safetensors file, or damaged");
        if ((long)headerLength > length - 8) throw Truncated(8 + (long)headerLength, length);
        JsonDocument header;
        try
        {
            var reader = new Utf8JsonReader(new ReadOnlySpan<byte>(start + 8, (int)headerLength), new JsonReaderOptions { MaxDepth = 8 });
            header = JsonDocument.ParseValue(ref reader);
        }
        catch (JsonException e)
        {
            throw new ModelLoadException($"'{_path}': the header is not JSON ({e.Message}); download the file again.", e);
        }

        using (header)
        {
            if (header.RootElement.ValueKind != JsonValueKind.Object) throw Broken("the header is not a JSON object");
            var data = start + 8 + headerLength;
            var dataLength = length - 8 - (long)headerLength;
            var ranges = new List<(long Begin, long End, string Name)>();
            foreach (var property in header.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__") continue;
                ReadTensor(property, data, length - dataLength, dataLength, ranges);
            }

            ranges.Sort();
            for (var i = 1; i < ranges.Count; i++)
            {
                if (ranges[i].Begin < ranges[i - 1].End) throw Broken($"tensors '{ranges[i - 1].Name}' and '{ranges[i].Name}' overlap");
            }
        }
    }

    private void ReadTensor(JsonProperty property, byte* data, long dataStart, long dataLength, List<(long Begin, long End, string Name)> ranges)
    {
        var name = property.Name;
        if (property.Value.ValueKind != JsonValueKind.Object ||
            !property.Value.TryGetProperty("dtype", out var typeElement) || typeElement.ValueKind != JsonValueKind.String ||
            !property.Value.TryGetProperty("shape", out var shapeElement) || !TryReadLongs(shapeElement, 8, out var shape) ||
            !property.Value.TryGetProperty("data_offsets", out var offsetsElement) || !TryReadLongs(offsetsElement, 2, out var offsets) ||
            offsets.Length != 2)
        {
            throw Broken($"tensor '{name}' lacks a valid dtype, shape or data_offsets");
        }

        var (begin, end) = (offsets[0], offsets[1]);
        if (begin > end) throw Broken($"tensor '{name}' ends at {end}, before it begins at {begin}");
        if (end > dataLength) throw Truncated(end > long.MaxValue - dataStart ? long.MaxValue : dataStart + end, dataStart + dataLength);

        // Another type is no error until the model asks for the tensor: checkpoints carry buffers that no one needs.
        if (Parse(typeElement.GetString()!) is not { } type) return;
        long bytes = type.Size();
        try
        {
            foreach (var dimension in shape) bytes = checked(bytes * dimension);
        }
        catch (OverflowException)
        {
            bytes = long.MaxValue;
        }

        if (bytes != end - begin)
            throw Broken($"tensor '{name}' of shape [{string.Join(", ", shape)}] and type {typeElement.GetString()} does not take the {end - begin} bytes at its offsets");
        if (shape.Any(d => d > int.MaxValue)) throw Broken($"tensor '{name}' has a dimension over {int.MaxValue}");
        if (ColumnsOf(shape) > int.MaxValue) throw Broken($"tensor '{name}' of shape [{string.Join(", ", shape)}] has rows of over {int.MaxValue} numbers");
        if (type.IsPlain() && begin != end && ((long)(data + begin) % type.Size()) != 0) throw Broken($"tensor '{name}' is not aligned to its type");
        if (!_tensors.TryAdd(name, new TensorView(name, _path, type, shape, data + begin))) throw Broken($"tensor '{name}' is there twice");
        if (begin != end) ranges.Add((begin, end, name));
    }

    /// <summary>The product of all dimensions but the first, each below 2³¹; what comes to more than that is not told apart.</summary>
    private static long ColumnsOf(long[] shape)
    {
        var columns = 1L;
        foreach (var dimension in shape.Skip(1)) columns = Math.Min(columns, 1L << 31) * dimension;
        return shape.Skip(1).Contains(0) ? 0 : columns;
    }

    private static TensorType? Parse(string type) => type switch
    {
        "F32" => TensorType.Float32,
        "F16" => TensorType.Float16,
        "BF16" => TensorType.BFloat16,
        "F8_E4M3" => TensorType.Float8E4M3,
        "F8_E5M2" => TensorType.Float8E5M2,
        "I8" => TensorType.Int8,
        "U8" => TensorType.UInt8,
        "I32" => TensorType.Int32,
        "I64" => TensorType.Int64,
        _ => null,
    };

    private static bool TryReadLongs(JsonElement array, int limit, out long[] values)
    {
        values = [];
        if (array.ValueKind != JsonValueKind.Array || array.GetArrayLength() > limit) return false;
        values = new long[array.GetArrayLength()];
        for (var i = 0; i < values.Length; i++)
        {
            if (array[i].ValueKind != JsonValueKind.Number || !array[i].TryGetInt64(out values[i]) || values[i] < 0) return false;
        }

        return true;
    }

    private ModelLoadException Broken(string what) => new($"'{_path}': {what}; download the file again.");

    private ModelLoadException Truncated(long says, long has) =>
        new($"'{_path}' is truncated: its header says {says} bytes, the file has {has}; download it again.");
}
