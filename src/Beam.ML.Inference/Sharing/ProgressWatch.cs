using Beam.ML.Inference.Protocol;

namespace Beam.ML.Inference.Sharing;

/// <summary>Finds out whether a model hangs: its process answers heartbeats, but does nothing of what it was asked.</summary>
/// <param name="interval">The time between two beats.</param>
/// <param name="patience">For how long nothing may happen.</param>
internal sealed class ProgressWatch(TimeSpan interval, TimeSpan patience)
{
    private (long Answered, long Progress) last = (-1, -1);
    private TimeSpan unchanged;

    /// <summary>Whether the model hangs, as of a beat. Never, if it cannot tell its progress: a batch may take any time.</summary>
    public bool IsStalled(HeartbeatResponse beat)
    {
        var now = (beat.Answered, beat.Progress);
        unchanged = beat.HasProgress && beat.RequestsInFlight > 0 && now == last ? unchanged + interval : TimeSpan.Zero;
        last = now;
        return unchanged >= patience;
    }
}
