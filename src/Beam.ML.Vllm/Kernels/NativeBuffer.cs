using System.Runtime.InteropServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Something that takes memory outside the garbage collector's heap.</summary>
internal interface INativeMemory
{
    long Bytes { get; }
}

/// <summary>
/// Memory outside the garbage collector's heap, aligned to cache lines; weights, activations and the KV cache live in it. Whoever creates
/// one disposes of it; a pointer is valid until then.
/// </summary>
internal sealed unsafe class NativeBuffer<T> : SafeHandle, INativeMemory where T : unmanaged
{
    /// <param name="length">Elements.</param>
    /// <remarks>The memory is not cleared: its pages are not touched, nor taken from the system, until they are used.</remarks>
    public NativeBuffer(long length) : base(0, ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        var bytes = checked((nuint)Math.Max(length, 1) * (nuint)sizeof(T));
        var data = NativeMemory.AlignedAlloc(bytes, bytes >= HugePages.Size ? HugePages.Size : 64);
        SetHandle((nint)data);
        HugePages.Advise(data, bytes);
    }

    /// <summary>Elements.</summary>
    public long Length { get; }

    public long Bytes => Length * sizeof(T);

    public T* Pointer => (T*)handle;

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
