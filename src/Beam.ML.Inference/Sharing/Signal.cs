namespace Beam.ML.Inference.Sharing;

/// <summary>Wakes everyone who waits for a change. Take <see cref="Next"/>, look at the state, then await it: no change is missed.</summary>
internal sealed class Signal
{
    private TaskCompletionSource source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Next => Volatile.Read(ref source).Task;

    public void Raise() =>
        Interlocked.Exchange(ref source, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
