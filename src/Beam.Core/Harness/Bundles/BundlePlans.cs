using System.Collections.Concurrent;
using Beam.FnApi;
using Beam.Model.FnExecution;

namespace Beam.Harness;

/// <summary>The descriptors that instructions have named, each fetched and understood once.</summary>
internal sealed class BundlePlans(IFnApiConnector connector)
{
    private readonly ConcurrentDictionary<string, Lazy<Task<BundlePlan>>> _plans = new();

    /// <summary>Takes a descriptor that the runner sent unasked.</summary>
    public void Register(ProcessBundleDescriptor descriptor) =>
        _plans[descriptor.Id] = new Lazy<Task<BundlePlan>>(() => Task.Run(() => new BundlePlan(descriptor)));

    public async Task<BundlePlan> GetAsync(string id, CancellationToken cancellationToken)
    {
        var lazy = _plans.GetOrAdd(id, static (id, self) => new Lazy<Task<BundlePlan>>(() => self.LoadAsync(id)), this);
        try
        {
            return await lazy.Value.WaitAsync(cancellationToken);
        }
        catch when (lazy.Value.IsFaulted)
        {
            _plans.TryRemove(KeyValuePair.Create(id, lazy)); // the next bundle may have more luck
            throw;
        }
    }

    private async Task<BundlePlan> LoadAsync(string id) => new(await connector.GetProcessBundleDescriptorAsync(id, CancellationToken.None));
}
