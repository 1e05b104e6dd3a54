using System.Collections.Concurrent;

namespace Beam.ML.Inference.Sharing;

/// <summary>
/// The models of a worker process, by tag. All workers of the job on this machine that ask for a tag share its hosts, of which there are as
/// many as the handler says, whatever the number of workers.
/// </summary>
/// <param name="workDirectory">The job's folder on this machine.</param>
/// <param name="workerId">This worker.</param>
internal sealed class ModelManager(string workDirectory, string workerId) : IAsyncDisposable
{
    private const string Key = "beam:ml:model_manager";

    private readonly ConcurrentDictionary<string, Lazy<SharedModel>> models = new();

    /// <summary>The manager of this worker process.</summary>
    public static ModelManager Of(SetupContext context) => context.GetShared(Key, () => new ModelManager(context.WorkDirectory, context.WorkerId));

    /// <summary>The model of a tag, which its hosts begin to load at the first call.</summary>
    public SharedModel GetModel(string tag, string name, byte[] handler, IReadOnlyDictionary<string, string> environment, ModelSharing sharing) =>
        models.GetOrAdd(tag, _ => new Lazy<SharedModel>(() =>
            new SharedModel(workDirectory, tag, handler, new HostLaunch(workerId, name, environment, Log), sharing))).Value;

    public async ValueTask DisposeAsync()
    {
        foreach (var model in models.Values)
            if (model.IsValueCreated) await model.Value.DisposeAsync();
        models.Clear();
    }

    private static void Log(string line) => Console.Error.WriteLine(line);
}
