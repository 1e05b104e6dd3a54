using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Workers;

/// <summary>The worker pools of a job, one for each environment.</summary>
internal sealed class BundleDispatcher(IReadOnlyDictionary<string, WorkerPool> pools) : IBundleDispatcher
{
    public int Slots { get; } = pools.Count == 0 ? 1 : pools.Values.Max(pool => pool.Slots);

    public void Enqueue(Bundle bundle) => pools[bundle.Stage.Environment].Enqueue(bundle);
}
