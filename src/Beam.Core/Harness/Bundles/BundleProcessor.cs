using Beam.Metrics;
using Beam.Model;
using Beam.Model.FnExecution;
using Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>
/// The operators of one descriptor, tied together: processes one bundle after another. A thread that processes a bundle is the only one
/// in the operators; progress and splits look at what is safe to read from outside.
/// </summary>
internal sealed class BundleProcessor
{
    private readonly BundlePlan _plan;
    private readonly ExecutionTracker _tracker;
    private readonly Operator[] _operators;
    private readonly OutputEdge[] _edges;
    private readonly Dictionary<string, SourceOperator> _sources;
    private readonly (string TransformId, string Family)[] _timers;
    private readonly ExecutionSampler _sampler;
    private int _setUp;
    private InboundQueue? _inbound;

    public BundleProcessor(BundlePlan plan, HarnessServices services)
    {
        var builder = new ProcessorBuilder(plan, services);
        _plan = plan;
        _tracker = builder.Tracker;
        _operators = [.. builder.Operators];
        _edges = [.. builder.Edges];
        _sources = _operators.OfType<SourceOperator>().ToDictionary(s => s.TransformId);
        _timers = [.. plan.Transforms.OfType<ParDoPlan>().SelectMany(p => p.TimerFamilies.Select(f => (p.Id, f)))];
        _sampler = services.Sampler;
    }

    public BundlePlan Plan => _plan;

    /// <summary>The name of the transform that runs, or that threw.</summary>
    public string? CurrentTransformName => _tracker.NameOf(Volatile.Read(ref _tracker.Current));

    public string? CurrentTransformId => ExecutionTracker.TransformOf(Volatile.Read(ref _tracker.Current)) is { } index ? _operators[index].TransformId : null;

    /// <summary>Whether something that has arrived for the bundle is still being processed, or waits to be.</summary>
    public bool ConsumingReceivedData => Volatile.Read(ref _tracker.Current) >= 0 || _inbound is { IsEmpty: false };

    /// <summary>Prepares the operators; once.</summary>
    public void Setup()
    {
        for (; _setUp < _operators.Length; _setUp++)
        {
            Enter(_setUp, ExecutionPhase.Start);
            _operators[_setUp].Setup();
        }

        Leave();
    }

    /// <summary>Processes a bundle: from its first element to the flushing of its outputs.</summary>
    public void Process(BundleContext bundle)
    {
        foreach (var edge in _edges) edge.Reset();
        _tracker.Reset();
        _inbound = bundle.Inbound;
        _sampler.Add(_tracker);
        var scope = ExecutionScope.Enter(bundle.InstructionId, null, this);
        try
        {
            for (var i = _operators.Length - 1; i >= 0; i--)
            {
                Enter(i, ExecutionPhase.Start);
                _operators[i].StartBundle(bundle);
            }

            Leave();
            Pump(bundle);
            for (var i = 0; i < _operators.Length; i++)
            {
                Enter(i, ExecutionPhase.Finish);
                _operators[i].FinishBundle();
            }

            Leave();
            foreach (var (transformId, family) in _timers)
                bundle.Outbound.FinishTimers(_plan.Descriptor.TimerApiServiceDescriptor, transformId, family);
        }
        finally
        {
            ExecutionScope.Restore(scope);
            MetricsEnvironment.EnterThread(null);
            _sampler.Remove(_tracker);
            _inbound = null;
        }
    }

    /// <summary>Ends what a failed bundle has started. The processor is of no further use but for <see cref="Teardown"/>.</summary>
    public void Abandon(ICollection<Exception> errors) => ForEach(_operators.Length, o => o.Abandon(), errors);

    /// <summary>Tears down what was set up.</summary>
    public void Teardown(ICollection<Exception> errors)
    {
        ForEach(_setUp, o => o.Teardown(), errors);
        _setUp = 0;
    }

    /// <summary>What the current bundle has done so far, or in all.</summary>
    public IReadOnlyCollection<MonitoringInfo> MonitoringInfos()
    {
        var infos = new List<MonitoringInfo>();
        foreach (var edge in _edges)
        {
            infos.Add(Harness.MonitoringInfos.Sum(BeamUrns.Metrics.ElementCount, edge.Count, (BeamUrns.MetricLabels.Pcollection, edge.CollectionId)));
            if (edge.Sizes?.Value is { Count: > 0 } sizes)
                infos.Add(Harness.MonitoringInfos.Distribution(BeamUrns.Metrics.SampledByteSize, sizes, (BeamUrns.MetricLabels.Pcollection, edge.CollectionId)));
        }

        for (var i = 0; i < _operators.Length; i++)
        {
            var id = _operators[i].TransformId;
            if (_operators[i].Metrics is { } metrics) Harness.MonitoringInfos.AddUser(infos, id, metrics);
            if (_operators[i] is SourceOperator source)
                infos.Add(Harness.MonitoringInfos.Sum(BeamUrns.Metrics.DataChannelReadIndex, source.ReadIndex, (BeamUrns.MetricLabels.Transform, id)));
            var start = _tracker.Milliseconds(i, ExecutionPhase.Start);
            var process = _tracker.Milliseconds(i, ExecutionPhase.Process);
            var finish = _tracker.Milliseconds(i, ExecutionPhase.Finish);
            if (start + process + finish == 0) continue;
            infos.Add(Harness.MonitoringInfos.Sum(BeamUrns.Metrics.StartBundleMsecs, start, (BeamUrns.MetricLabels.Transform, id)));
            infos.Add(Harness.MonitoringInfos.Sum(BeamUrns.Metrics.ProcessBundleMsecs, process, (BeamUrns.MetricLabels.Transform, id)));
            infos.Add(Harness.MonitoringInfos.Sum(BeamUrns.Metrics.FinishBundleMsecs, finish, (BeamUrns.MetricLabels.Transform, id)));
            infos.Add(Harness.MonitoringInfos.Sum(BeamUrns.Metrics.TotalMsecs, start + process + finish, (BeamUrns.MetricLabels.Transform, id)));
        }

        return infos;
    }

    /// <summary>Gives away elements of the sources that have not begun.</summary>
    public ProcessBundleSplitResponse Split(ProcessBundleSplitRequest request)
    {
        var response = new ProcessBundleSplitResponse();
        if (_sources.Count != 1) return response; // sources that are split at different times would not be one bundle any more
        foreach (var (transformId, desired) in request.DesiredSplits)
        {
            if (_sources.TryGetValue(transformId, out var source) && source.TrySplit(desired) is { } split) response.ChannelSplits.Add(split);
        }

        return response;
    }

    private void Pump(BundleContext bundle)
    {
        var waiting = _sources.Count + _timers.Length;
        var ended = new HashSet<(string, string?)>();
        while (waiting != 0)
        {
            var item = bundle.Inbound.Take();
            if (item.TimerFamilyId is not null)
            {
                if (!item.Data.IsEmpty) throw new NotSupportedException($"The runner fired timers of '{item.TransformId}', whose function has none.");
            }
            else if (!_sources.TryGetValue(item.TransformId, out var source))
            {
                throw new InvalidDataException($"The runner sent elements to '{item.TransformId}', which is no source of the bundle.");
            }
            else if (!item.Data.IsEmpty)
            {
                source.Process(item.Data);
            }

            if (item.IsLast && ended.Add((item.TransformId, item.TimerFamilyId))) waiting--;
        }
    }

    private void Enter(int index, ExecutionPhase phase)
    {
        Volatile.Write(ref _tracker.Current, ExecutionTracker.State(index, phase));
        MetricsEnvironment.EnterThread(_operators[index].Metrics);
    }

    private void Leave()
    {
        Volatile.Write(ref _tracker.Current, -1);
        MetricsEnvironment.EnterThread(null);
    }

    private void ForEach(int count, Action<Operator> action, ICollection<Exception> errors)
    {
        for (var i = 0; i < count; i++)
        {
            try
            {
                action(_operators[i]);
            }
            catch (Exception e)
            {
                errors.Add(new TransformFailure(_operators[i].Name, e)); // one that fails to end must not keep the others from ending
            }
        }
    }
}
