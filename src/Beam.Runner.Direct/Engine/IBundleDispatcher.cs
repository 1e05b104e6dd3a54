using System.Threading.Channels;

namespace Beam.Runner.Direct.Engine;

/// <summary>Runs bundles on workers. What becomes of each is told through the events that the scheduler gave.</summary>
internal interface IBundleDispatcher
{
    /// <summary>How many bundles can run at a time.</summary>
    int Slots { get; }

    /// <summary>Queues a bundle for any worker of its environment.</summary>
    void Enqueue(Bundle bundle);
}

/// <summary>What happens while a job runs. The scheduler alone acts on it, one event after the other.</summary>
internal abstract record SchedulerEvent
{
    /// <summary>A worker has executed a bundle to its end.</summary>
    public sealed record Succeeded(Bundle Bundle, BundleResult Result) : SchedulerEvent;

    /// <summary>The user's code has failed on a bundle.</summary>
    public sealed record Failed(Bundle Bundle, string Error, IReadOnlyList<MetricUpdate> Attempted) : SchedulerEvent;

    /// <summary>The worker that ran a bundle is gone.</summary>
    public sealed record Lost(Bundle Bundle, string Reason, IReadOnlyList<MetricUpdate> Attempted) : SchedulerEvent;

    /// <summary>A stage's input is cut into bundles, and its side inputs can be read.</summary>
    public sealed record Prepared(ExecutableStage Stage, List<Bundle> Bundles) : SchedulerEvent;

    /// <summary>A GroupByKey is done.</summary>
    public sealed record Grouped(GroupByKeyStage Stage, List<Chunk> Output) : SchedulerEvent;

    /// <summary>The job cannot go on.</summary>
    public sealed record Broken(Exception Error) : SchedulerEvent;

    private SchedulerEvent()
    {
    }

    /// <summary>One event a bundle that is out, and bundles are finite: the channel needs no bound.</summary>
    public static Channel<SchedulerEvent> CreateChannel() => Channel.CreateUnbounded<SchedulerEvent>(new UnboundedChannelOptions { SingleReader = true });
}
