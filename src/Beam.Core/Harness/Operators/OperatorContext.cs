using System.Runtime.CompilerServices;
using Beam.Metrics;
using Proto = Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>What an operator knows of its place: the transform it runs, the collections around it, and the processor's services.</summary>
internal sealed class OperatorContext(int index, string transformId, Proto.PTransform transform, ProcessorBuilder builder)
{
    private readonly ExecutionTracker _tracker = builder.Tracker;
    private readonly int _processState = ExecutionTracker.State(index, ExecutionPhase.Process);

    public int Index => index;

    public string TransformId => transformId;

    public Proto.PTransform Transform => transform;

    public HarnessServices Services => builder.Services;

    public DescriptorCoders Coders => builder.Plan.Coders;

    public Proto.WindowingStrategy WindowingOf(string collectionId) => builder.Plan.WindowingOf(collectionId);

    /// <summary>The edge that carries a collection.</summary>
    public OutputEdge<T> Edge<T>(string collectionId) => (OutputEdge<T>)builder.Edge(collectionId);

    public OutputEdge EdgeOf(string tag) => builder.Edge(transform.Outputs[tag]);

    /// <summary>The edge of a transform with one output.</summary>
    public OutputEdge<T> SingleEdge<T>() => Edge<T>(transform.Outputs.Values.Single());

    // Enter and Leave have no try/finally around them on purpose: after an exception the tracker still names the transform that threw.

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Enter()
    {
        var before = _tracker.Current;
        _tracker.Current = _processState;
        return before;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Leave(int before) => _tracker.Current = before;

    /// <summary>Enters code of the user's, whose metrics count for <paramref name="metrics"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public UserScope EnterUser(MetricsContainer metrics)
    {
        var before = _tracker.Current;
        _tracker.Current = _processState;
        return new UserScope(before, MetricsEnvironment.EnterThread(metrics));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void LeaveUser(in UserScope scope)
    {
        if (_tracker.Current != _processState) ThrowSwallowed();
        _tracker.Current = scope.State;
        MetricsEnvironment.EnterThread(scope.Metrics);
    }

    // A consumer threw and the function caught it on the way: the consumer lost an element, so the bundle must not succeed.
    private void ThrowSwallowed()
    {
        var failed = _tracker.NameOf(_tracker.Current) ?? "a later transform";
        throw new InvalidOperationException(
            $"'{failed}' failed on an output of '{transform.UniqueName}', which caught the exception; let exceptions of Output pass.");
    }

    public readonly record struct UserScope(int State, MetricsContainer? Metrics);
}
