namespace Beam.Runner.Direct.Engine;

/// <summary>A run of whole encoded elements.</summary>
internal readonly record struct Chunk(ReadOnlyMemory<byte> Data, int Count)
{
    /// <summary>What a chunk is filled up to, in bytes, where the runner makes it.</summary>
    public const int TargetBytes = 1 << 20;
}
