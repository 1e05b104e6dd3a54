namespace Beam.Harness;

/// <summary>What a transform is busy with.</summary>
internal enum ExecutionPhase
{
    Start,
    Process,
    Finish,
}

/// <summary>
/// Which transform of a processor is running, and for how long each has run: the bundle's thread writes down where it is, and a sampler
/// looks now and then.
/// </summary>
internal sealed class ExecutionTracker(IReadOnlyList<string> names)
{
    private const int Phases = 3;

    private readonly long[] _milliseconds = new long[names.Count * Phases];

    /// <summary>The state of the bundle's thread; -1 outside of all transforms.</summary>
    public int Current = -1;

    public static int State(int transform, ExecutionPhase phase) => transform * Phases + (int)phase;

    public string? NameOf(int state) => state < 0 ? null : names[state / Phases];

    /// <summary>Which transform a state is of; null outside of all.</summary>
    public static int? TransformOf(int state) => state < 0 ? null : state / Phases;

    public long Milliseconds(int transform, ExecutionPhase phase) => Volatile.Read(ref _milliseconds[State(transform, phase)]);

    public void Reset()
    {
        Array.Clear(_milliseconds);
        Current = -1;
    }

    /// <summary>Counts the time since the last look for whatever runs now. Called by the sampler alone.</summary>
    public void Sample(long elapsed)
    {
        var current = Volatile.Read(ref Current);
        if (current >= 0) _milliseconds[current] += elapsed;
    }
}
