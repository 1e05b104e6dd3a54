namespace Beam.ML.Inference.Sharing;

/// <summary>When the next host is started after one was lost, and when there will be none.</summary>
/// <param name="maxLoadCrashes">How often in a row loading may fail.</param>
internal sealed class RestartPolicy(int maxLoadCrashes)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(5);

    private int losses;

    /// <summary>How often in a row loading has failed.</summary>
    public int LoadCrashes { get; private set; }

    /// <summary>A host has loaded the model. That says nothing of what happens when it is asked.</summary>
    public void Loaded() => LoadCrashes = 0;

    /// <summary>A host has answered a request, or lived for a while.</summary>
    public void Proved() => losses = 0;

    /// <summary>A host was lost.</summary>
    /// <returns>How long to wait before the next; null if there shall be none. A host that had proved itself is replaced at once.</returns>
    public TimeSpan? Lost(bool whileLoading)
    {
        if (whileLoading && ++LoadCrashes >= maxLoadCrashes) return null;
        if (losses++ == 0 && !whileLoading) return TimeSpan.Zero;
        var delay = FirstDelay * Math.Pow(2, Math.Min(losses, 16) - 1);
        return delay < MaxDelay ? delay : MaxDelay;
    }
}
