using System.Runtime.CompilerServices;
using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights;

/// <summary>The number formats of checkpoints that are read.</summary>
internal enum TensorType
{
    Float32,
    Float16,
    BFloat16,

    /// <summary>float8_e4m3fn; read by quantization schemes alone, as are all that follow.</summary>
    Float8E4M3,

    /// <summary>float8_e5m2.</summary>
    Float8E5M2,

    Int8,
    UInt8,
    Int32,
    Int64,
}

internal static class TensorTypes
{
    /// <summary>Types that are numbers by themselves, and not codes that stand for numbers together with other tensors.</summary>
    public static bool IsPlain(this TensorType type) => type is TensorType.Float32 or TensorType.Float16 or TensorType.BFloat16;

    /// <summary>Bytes of an element.</summary>
    public static int Size(this TensorType type) => type switch
    {
        TensorType.Int64 => 8,
        TensorType.Float32 or TensorType.Int32 => 4,
        TensorType.Float16 or TensorType.BFloat16 => 2,
        _ => 1,
    };
}

/// <summary>A tensor in a mapped file; valid while the file is open. Rows are its first dimension, all others count as columns.</summary>
internal sealed unsafe class TensorView(string name, string file, TensorType type, long[] shape, byte* data)
{
    public string Name => name;

    public string File => file;

    public TensorType Type => type;

    public IReadOnlyList<long> Shape => shape;

    public int Rows { get; } = checked((int)(shape.Length == 0 ? 1 : shape[0]));

    public int Columns { get; } = checked((int)shape.Skip(1).Aggregate(1L, (a, b) => a * b));

    /// <summary>Throws unless the tensor has exactly this shape.</summary>
    public TensorView Require(params ReadOnlySpan<long> expected) =>
        expected.SequenceEqual(shape)
            ? this
            : throw new ModelLoadException(
                $"'{file}': tensor '{name}' has shape [{string.Join(", ", shape)}] where config.json makes it [{string.Join(", ", expected.ToArray())}]; " +
                "the weights and config.json are not of one model, download both again.");

    /// <summary>One element of the first dimension, as a tensor of the others.</summary>
    public TensorView Slice(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Rows);
        return new TensorView($"{name}[{index}]", file, type, shape[1..], data + ((long)index * Columns * type.Size()));
    }

    /// <summary>Throws unless the elements are of one of these types.</summary>
    public TensorView Require(params ReadOnlySpan<TensorType> types) =>
        types.Contains(type) ? this : throw Wrong($"holds {type} numbers where the quantization makes it {string.Join(" or ", types.ToArray())}");

    /// <summary>All elements as they are stored.</summary>
    public ReadOnlySpan<T> Elements<T>() where T : unmanaged => Elements<T>(0, Rows);

    /// <summary>The elements of some rows as they are stored.</summary>
    public ReadOnlySpan<T> Elements<T>(int firstRow, int rows) where T : unmanaged
    {
        if (sizeof(T) != type.Size()) throw Wrong($"holds {type} numbers, which are not of {sizeof(T)} bytes");
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)firstRow, (uint)Rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)rows, (uint)(Rows - firstRow));
        var count = (long)rows * Columns;
        if (count > int.MaxValue) throw Wrong($"has {count} elements, over the limit of {int.MaxValue}");
        return new ReadOnlySpan<T>(data + ((long)firstRow * Columns * sizeof(T)), (int)count);
    }

    public ModelLoadException Wrong(string what) =>
        new($"'{file}': tensor '{name}' {what}; the weights and config.json are not of one model, or damaged: download both again.");

    /// <summary>Converts one row to floats, which is exact for every type that is plain.</summary>
    public void ReadRow(int row, Span<float> target) => ReadRow(row, 0, target[..Columns]);

    /// <summary>Converts a part of a row to floats.</summary>
    /// <remarks>Loading calls it once for each row and is over before the JIT would come back to it.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void ReadRow(int row, int firstColumn, Span<float> target)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)firstColumn, (uint)(Columns - target.Length));
        var start = ((long)row * Columns) + firstColumn;
        switch (type)
        {
            case TensorType.Float32:
                new ReadOnlySpan<float>((float*)data + start, target.Length).CopyTo(target);
                break;
            case TensorType.BFloat16:
                var bits = new ReadOnlySpan<ushort>((ushort*)data + start, target.Length);
                for (var i = 0; i < bits.Length; i++) target[i] = BFloat16Bits.ToSingle(bits[i]);
                break;
            case TensorType.Float16:
                var halves = new ReadOnlySpan<Half>((Half*)data + start, target.Length);
                for (var i = 0; i < halves.Length; i++) target[i] = (float)halves[i];
                break;
            default:
                throw new ModelLoadException(
                    $"'{file}': tensor '{name}' holds {type} numbers, which stand for weights only with scales that quantization_config in config.json tells how to read; it has none that fits.");
        }
    }

    /// <summary>All of a small tensor.</summary>
    public float[] ToArray()
    {
        var all = new float[checked(Rows * Columns)];
        for (var row = 0; row < Rows; row++) ReadRow(row, all.AsSpan(row * Columns, Columns));
        return all;
    }
}
