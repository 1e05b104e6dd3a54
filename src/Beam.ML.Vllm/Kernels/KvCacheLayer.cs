using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>How keys and values are kept.</summary>
internal enum KvCacheFormat
{
    Float32,
    BFloat16,

    /// <summary>Whole numbers of a byte, with a scale for each token and head, one for its key and one for its value.</summary>
    Int8,
}

/// <summary>
/// One layer's keys and values of all blocks. Keys of a block are [head, pair of features, slot], so that one vector holds a feature of
/// consecutive positions and a score needs no sum across lanes; values are [head, slot, feature], features padded to whole groups of 32.
/// In bfloat16 two numbers share a 32-bit word, which splits into two vectors with one shift and one mask: of keys the two features of
/// a pair, of values the features i and i + 16 of a group.
/// </summary>
internal sealed unsafe class KvCacheLayer : IDisposable
{
    /// <summary>Features of values are padded to, and slots of a block are a multiple of, this: twice, and once, the widest vector.</summary>
    public const int FeatureAlignment = 32, SlotAlignment = 16;

    private readonly NativeBuffer<byte> _keys;
    private readonly NativeBuffer<byte> _values;
    private readonly NativeBuffer<ushort>? _scales;

    public KvCacheLayer(int blocks, int blockSize, int heads, int headSize, KvCacheFormat format)
    {
        if (blockSize % SlotAlignment != 0) throw new ArgumentException($"A block of {blockSize} slots is not a multiple of {SlotAlignment}.");
        (Blocks, BlockSize, Heads, HeadSize, Format) = (blocks, blockSize, heads, headSize, format);
        ElementBytes = BytesPerElement(format);
        (KeySize, PaddedHeadSize) = (PadKey(headSize), Pad(headSize));
        _keys = new NativeBuffer<byte>((long)blocks * heads * KeySize * blockSize * ElementBytes);
        _values = new NativeBuffer<byte>((long)blocks * heads * PaddedHeadSize * blockSize * ElementBytes);
        if (format == KvCacheFormat.Int8) _scales = new NativeBuffer<ushort>(2L * blocks * heads * blockSize);
    }

    public int Blocks { get; }

    public int BlockSize { get; }

    public int Heads { get; }

    public int HeadSize { get; }

    /// <summary>Features of a key, padded to whole pairs; what is added is zero.</summary>
    public int KeySize { get; }

    /// <summary>Features of a value, padded to whole groups; what is added is never written.</summary>
    public int PaddedHeadSize { get; }

    public KvCacheFormat Format { get; }

    public int ElementBytes { get; }

    /// <summary>The memory that one block of a layer takes.</summary>
    public static long BytesPerBlock(int blockSize, int heads, int headSize, KvCacheFormat format) =>
        (long)blockSize * heads * (((PadKey(headSize) + Pad(headSize)) * BytesPerElement(format)) + (format == KvCacheFormat.Int8 ? 2 * sizeof(ushort) : 0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Keys(int block, int head) => _keys.Pointer + ((((long)block * Heads) + head) * KeySize * BlockSize * ElementBytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Values(int block, int head) => _values.Pointer + ((((long)block * Heads) + head) * PaddedHeadSize * BlockSize * ElementBytes);

    /// <summary>What the numbers of each slot's key are multiplied by, in bfloat16; in <see cref="KvCacheFormat.Int8"/> only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ushort* KeyScales(int block, int head) => _scales!.Pointer + ((((long)block * Heads) + head) * 2 * BlockSize);

    /// <summary>As <see cref="KeyScales"/>, for values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ushort* ValueScales(int block, int head) => KeyScales(block, head) + BlockSize;

    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
        _scales?.Dispose();
    }

    private static int PadKey(int headSize) => (headSize + 1) / 2 * 2;

    private static int Pad(int headSize) => (headSize + FeatureAlignment - 1) / FeatureAlignment * FeatureAlignment;

    private static int BytesPerElement(KvCacheFormat format) => format switch
    {
        KvCacheFormat.Float32 => 4,
        KvCacheFormat.BFloat16 => 2,
        _ => 1,
    };
}
