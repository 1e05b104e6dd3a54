using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>How keys and values are kept.</summary>
internal enum KvCacheFormat
{
    Float32,
    BFloat16,
}

/// <summary>
/// One layer's keys and values of all blocks. Keys of a block are [head, feature, slot], so that one vector holds a feature of consecutive
/// positions and a score needs no sum across lanes; values are [head, slot, feature], features padded to whole vectors.
/// </summary>
internal sealed unsafe class KvCacheLayer : IDisposable
{
    /// <summary>Features are padded to, and slots of a block are a multiple of, this: twice, and once, the widest vector.</summary>
    public const int FeatureAlignment = 32, SlotAlignment = 16;

    private readonly NativeBuffer<byte> _keys;
    private readonly NativeBuffer<byte> _values;

    public KvCacheLayer(int blocks, int blockSize, int heads, int headSize, KvCacheFormat format)
    {
        if (blockSize % SlotAlignment != 0) throw new ArgumentException($"A block of {blockSize} slots is not a multiple of {SlotAlignment}.");
        (Blocks, BlockSize, Heads, HeadSize, Format) = (blocks, blockSize, heads, headSize, format);
        ElementBytes = BytesPerElement(format);
        PaddedHeadSize = Pad(headSize);
        _keys = new NativeBuffer<byte>((long)blocks * heads * headSize * blockSize * ElementBytes);
        _values = new NativeBuffer<byte>((long)blocks * heads * PaddedHeadSize * blockSize * ElementBytes);
    }

    public int Blocks { get; }

    public int BlockSize { get; }

    public int Heads { get; }

    public int HeadSize { get; }

    public int PaddedHeadSize { get; }

    public KvCacheFormat Format { get; }

    public int ElementBytes { get; }

    /// <summary>The memory that one block of a layer takes.</summary>
    public static long BytesPerBlock(int blockSize, int heads, int headSize, KvCacheFormat format) =>
        (long)blockSize * heads * (headSize + Pad(headSize)) * BytesPerElement(format);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Keys(int block, int head) => _keys.Pointer + (((long)block * Heads) + head) * HeadSize * BlockSize * ElementBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Values(int block, int head) => _values.Pointer + (((long)block * Heads) + head) * PaddedHeadSize * BlockSize * ElementBytes;

    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
    }

    private static int Pad(int headSize) => (headSize + FeatureAlignment - 1) / FeatureAlignment * FeatureAlignment;

    private static int BytesPerElement(KvCacheFormat format) => format == KvCacheFormat.BFloat16 ? 2 : 4;
}
