using System.Runtime.CompilerServices;
using Beam.Metrics;

namespace Beam.Harness;

/// <summary>The sizes of some of the encoded elements of a collection. Written by the bundle's thread alone.</summary>
internal sealed class SizeSampler
{
    private const int OneOf = 16;

    private int _seen;
    private long _count;
    private long _sum;
    private long _min = long.MaxValue;
    private long _max = long.MinValue;

    public DistributionResult Value => new(_count, _sum, _min, _max);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(int size)
    {
        if (_seen++ % OneOf == 0) Take(size);
    }

    public void Reset()
    {
        (_seen, _count, _sum) = (0, 0, 0);
        (_min, _max) = (long.MaxValue, long.MinValue);
    }

    private void Take(int size)
    {
        _count++;
        _sum += size;
        if (size < _min) _min = size;
        if (size > _max) _max = size;
    }
}
