namespace Beam.Metrics;

/// <summary>
/// Which transform's metrics an update counts for. A bundle's thread says so in a thread-static field, which is cheap enough to set
/// around every call; asynchronous elements carry it along their own flow.
/// </summary>
internal static class MetricsEnvironment
{
    [ThreadStatic]
    private static MetricsContainer? thread;

    private static readonly AsyncLocal<MetricsContainer?> Flow = new();

    public static MetricsContainer? Current => thread ?? Flow.Value;

    /// <summary>Sets the container of this thread and returns the one that was set before, to be put back.</summary>
    public static MetricsContainer? EnterThread(MetricsContainer? container)
    {
        var before = thread;
        thread = container;
        return before;
    }

    /// <summary>Sets the container of this asynchronous flow.</summary>
    public static void EnterFlow(MetricsContainer? container) => Flow.Value = container;
}
