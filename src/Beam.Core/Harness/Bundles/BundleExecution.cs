using Beam.Model.FnExecution;
using Google.Protobuf;

namespace Beam.Harness;

/// <summary>A bundle from its instruction to its response. What the runner asks about it meanwhile comes from other threads.</summary>
internal sealed class BundleExecution(InstructionRequest instruction, HarnessServices services, BundlePlans plans, BundleProcessors processors)
{
    private readonly Lock _lock = new();
    private BundleProcessor? _processor;

    /// <summary>
    /// Processes the bundle on the calling thread, which may block. A failure is told at once: ending the functions of the bundle may take
    /// as long as they do.
    /// </summary>
    /// <param name="respond">Called once, with the outcome.</param>
    /// <param name="errors">Gets what failed beside the bundle: when a failed one was cleared away.</param>
    public void Run(Action<InstructionResponse> respond, ICollection<Exception> errors)
    {
        BundleProcessor? processor = null;
        var response = Run(ref processor, errors);
        services.Data.Forget(instruction.InstructionId);
        respond(response);
        if (response.Error.Length == 0) return;
        processor?.Abandon(errors);
        processor?.Teardown(errors);
    }

    private InstructionResponse Run(ref BundleProcessor? processor, ICollection<Exception> errors)
    {
        var request = instruction.ProcessBundle;
        var id = instruction.InstructionId;
        try
        {
            var inbound = services.Data.Open(id);
            var plan = plans.GetAsync(request.ProcessBundleDescriptorId, services.Stopping).GetAwaiter().GetResult();
            processor = processors.Rent(plan);
            foreach (var transform in plan.Transforms.OfType<SourcePlan>())
            {
                if (request.Elements is null) services.Data.ConnectAsync(transform.Port.Endpoint, services.Stopping).AsTask().GetAwaiter().GetResult();
            }

            Feed(inbound, request.Elements);
            inbound.Start();
            lock (_lock) _processor = processor;
            var mayEmbed = services.Options.RunnerCapabilities.Contains(Model.BeamUrns.RunnerProtocols.ControlResponseElementsEmbedding);
            var outbound = new BundleOutput(services.Data, id, mayEmbed, services.Stopping);
            processor.Process(new BundleContext(services, request, id, () => OpenState(plan), inbound, outbound, services.Stopping));
            var response = new InstructionResponse { InstructionId = id, ProcessBundle = new ProcessBundleResponse() };
            if (outbound.Complete() is { } embedded) response.ProcessBundle.Elements = embedded;
            response.ProcessBundle.MonitoringInfos.AddRange(processor.MonitoringInfos());
            lock (_lock) _processor = null;
            processors.Return(processor, errors);
            return response;
        }
        catch (Exception e)
        {
            lock (_lock) _processor = null;
            var failed = new InstructionResponse { InstructionId = id, Error = FailureReport.Describe(e, processor?.CurrentTransformName) };
            // What it has done is still of interest: it counts as attempted.
            if (processor is not null) failed.ProcessBundle = new ProcessBundleResponse { MonitoringInfos = { processor.MonitoringInfos() } };
            return failed;
        }
    }

    /// <summary>What the bundle has done so far.</summary>
    public ProcessBundleProgressResponse Progress()
    {
        var response = new ProcessBundleProgressResponse();
        lock (_lock)
        {
            if (_processor is null) return response;
            response.MonitoringInfos.AddRange(_processor.MonitoringInfos());
            response.ConsumingReceivedData = _processor.ConsumingReceivedData;
        }

        return response;
    }

    /// <summary>Gives away elements that have not begun.</summary>
    public ProcessBundleSplitResponse Split(ProcessBundleSplitRequest request)
    {
        lock (_lock) return _processor?.Split(request) ?? new ProcessBundleSplitResponse();
    }

    private StateReader? OpenState(BundlePlan plan) => plan.Descriptor.StateApiServiceDescriptor is { Url.Length: > 0 } endpoint
        ? new StateReader(services.State.ConnectAsync(endpoint, services.Stopping).AsTask().GetAwaiter().GetResult(), instruction.InstructionId, services.Stopping)
        : null;

    // Not started yet, the queue takes whatever comes with the request without waiting.
    private static void Feed(InboundQueue inbound, Elements? elements)
    {
        if (elements is null) return;
        foreach (var data in elements.Data) Add(InboundQueue.Of(data));
        foreach (var timers in elements.Timers) Add(InboundQueue.Of(timers));

        void Add(InboundItem item)
        {
            var adding = inbound.AddAsync(in item);
            if (!adding.IsCompletedSuccessfully) throw new InvalidOperationException("The bundle has begun before its elements were there.");
        }
    }
}
