using System.Collections.Concurrent;
using System.Diagnostics;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Progress;

/// <summary>How far a job is, put together from what happens in it.</summary>
internal sealed class JobProgress : IJobObserver
{
    private readonly ConcurrentDictionary<Stage, StageProgress> _stages = new();
    private int _completed;
    private int _workers;
    private long _retries;
    private bool _hasStarted;

    /// <summary>A stage that runs.</summary>
    public sealed class StageProgress(string name, int bundles, long elements)
    {
        internal readonly ConcurrentDictionary<Bundle, long> Running = new();
        internal long CommittedElements;
        internal int CommittedBundles;
        private long _started;

        public string Name => name;

        public int Bundles => bundles;

        public long Elements => elements;

        public int BundlesDone => Volatile.Read(ref CommittedBundles);

        /// <summary>Elements a second since the first bundle began: a short window would show the jumps in which bundles report. Null in the first second.</summary>
        public double? Rate
        {
            get
            {
                var started = Interlocked.Read(ref _started);
                if (started == 0) return null;
                var elapsed = Stopwatch.GetElapsedTime(started).TotalSeconds;
                return elapsed >= 1 ? ElementsDone / elapsed : null;
            }
        }

        /// <summary>Elements of committed bundles and what running ones have read.</summary>
        public long ElementsDone => Math.Min(elements, Interlocked.Read(ref CommittedElements) + Running.Values.Sum());

        internal void Start(Bundle bundle)
        {
            Interlocked.CompareExchange(ref _started, Stopwatch.GetTimestamp(), 0);
            Running.TryAdd(bundle, 0);
        }
    }

    public int TotalStages { get; set; }

    public int StagesDone => Volatile.Read(ref _completed);

    public int Workers => Volatile.Read(ref _workers);

    /// <summary>Whether a worker has connected yet.</summary>
    public bool HasStarted => Volatile.Read(ref _hasStarted);

    /// <summary>How often a bundle had to run again.</summary>
    public long Retries => Interlocked.Read(ref _retries);

    /// <summary>The stages that run now, the one with the most elements left first.</summary>
    public IReadOnlyList<StageProgress> RunningStages => [.. _stages.Values.OrderByDescending(stage => stage.Elements - stage.ElementsDone)];

    public void StageStarted(Stage stage, int bundles, long elements) => _stages[stage] = new StageProgress(stage.Name, bundles, elements);

    public void StageCompleted(Stage stage)
    {
        _stages.TryRemove(stage, out _);
        Interlocked.Increment(ref _completed);
    }

    public void BundleStarted(Bundle bundle, string workerId) => Of(bundle)?.Start(bundle);

    public void BundleProgress(Bundle bundle, long? elementsRead, IReadOnlyList<MetricUpdate> attempted)
    {
        if (elementsRead is { } read && Of(bundle) is { } stage && stage.Running.TryGetValue(bundle, out var before))
            stage.Running.TryUpdate(bundle, Math.Min(read, bundle.ElementCount), before);
    }

    public void BundleCommitted(Bundle bundle, BundleResult result)
    {
        if (Of(bundle) is not { } stage) return;
        stage.Running.TryRemove(bundle, out _);
        Interlocked.Add(ref stage.CommittedElements, bundle.ElementCount);
        Interlocked.Increment(ref stage.CommittedBundles);
    }

    public void BundleAbandoned(Bundle bundle, string reason, bool workerIsLost, IReadOnlyList<MetricUpdate> attempted)
    {
        Of(bundle)?.Running.TryRemove(bundle, out _);
        Interlocked.Increment(ref _retries);
    }

    public void WorkerStarted(string workerId, int? processId)
    {
        Interlocked.Increment(ref _workers);
        Volatile.Write(ref _hasStarted, true);
    }

    public void WorkerLost(string workerId, string reason) => Interlocked.Decrement(ref _workers);

    private StageProgress? Of(Bundle bundle) => _stages.GetValueOrDefault(bundle.Stage);
}
