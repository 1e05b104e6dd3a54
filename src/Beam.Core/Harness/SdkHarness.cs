using System.Collections.Concurrent;
using Beam.FnApi;
using Beam.Model.FnExecution;
using Microsoft.Extensions.Logging;

namespace Beam.Harness;

/// <summary>
/// The worker's side of the Fn API: takes instructions until the control stream ends, and processes any number of bundles at a time.
/// Instructions that do not run user code are answered by the loop that reads them.
/// </summary>
internal sealed class SdkHarness(IFnApiConnector connector, SdkHarnessOptions options)
{
    private readonly ConcurrentDictionary<string, BundleExecution> _active = new();

    /// <summary>Runs until the control stream ends. Then it cancels what still runs, tears functions down and disposes what they shared.</summary>
    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        await using var logs = new RunnerLoggerProvider(options.MinimumLogLevel);
        using var loggers = new LoggerFactory([logs], new LoggerFilterOptions { MinLevel = options.MinimumLogLevel });
        var logger = logs.CreateLogger(typeof(SdkHarness).FullName!);
        await StartLoggingAsync(logs, cancellationToken);

        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var control = await connector.ConnectControlAsync(cancellationToken);
        await using var shared = new SharedObjects();
        await using var sampler = new ExecutionSampler();
        var broken = new BrokenStream();
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, broken.Token);
        await using var data = new DataClient(connector, options.MaxInboundBytes, broken.Report);
        await using var state = new StateClient(connector, broken.Report);
        var services = new HarnessServices(
            options, new HarnessSetupContext(options, shared, loggers), data, state, new SideInputCache(options.SideInputCacheBytes), sampler, stopping.Token);
        var plans = new BundlePlans(connector);
        var processors = new BundleProcessors(services);
        var threads = new BundleThreads(options.MaxBundles, $"bundle-{options.WorkerId}");
        try
        {
            await foreach (var instruction in control.ReadAllAsync(reading.Token))
            {
                if (instruction.RequestCase == InstructionRequest.RequestOneofCase.ProcessBundle)
                {
                    var execution = new BundleExecution(instruction, services, plans, processors);
                    _active[instruction.InstructionId] = execution;
                    threads.Run(() => RunBundle(instruction.InstructionId, execution, control, logger));
                }
                else
                {
                    await control.WriteAsync(Answer(instruction, plans), reading.Token);
                }
            }
        }
        catch (Exception) when (broken.Error is { } error && !cancellationToken.IsCancellationRequested)
        {
            // The runner learns of it by the end of the control stream, and gives the bundles to another worker.
            throw new IOException($"A stream to the runner broke: {error.Message}", error);
        }
        finally
        {
            await stopping.CancelAsync();
            data.Fail(new OperationCanceledException("The harness ends."));
            await StopAsync(threads, processors, logger);
            await control.CompleteAsync();
        }
    }

    private InstructionResponse Answer(InstructionRequest instruction, BundlePlans plans)
    {
        var response = new InstructionResponse { InstructionId = instruction.InstructionId };
        try
        {
            switch (instruction.RequestCase)
            {
                case InstructionRequest.RequestOneofCase.Register:
                    foreach (var descriptor in instruction.Register.ProcessBundleDescriptor) plans.Register(descriptor);
                    response.Register = new RegisterResponse();
                    break;
                case InstructionRequest.RequestOneofCase.ProcessBundleProgress:
                    response.ProcessBundleProgress = Find(instruction.ProcessBundleProgress.InstructionId)?.Progress() ?? new ProcessBundleProgressResponse();
                    break;
                case InstructionRequest.RequestOneofCase.ProcessBundleSplit:
                    response.ProcessBundleSplit = Find(instruction.ProcessBundleSplit.InstructionId)?.Split(instruction.ProcessBundleSplit)
                        ?? new ProcessBundleSplitResponse();
                    break;
                case InstructionRequest.RequestOneofCase.FinalizeBundle:
                    response.FinalizeBundle = new FinalizeBundleResponse(); // functions have no way yet to ask for it
                    break;
                case InstructionRequest.RequestOneofCase.MonitoringInfos:
                    response.MonitoringInfos = new MonitoringInfosMetadataResponse(); // metrics travel in full, never by short ids
                    break;
                case InstructionRequest.RequestOneofCase.HarnessMonitoringInfos:
                    response.HarnessMonitoringInfos = new HarnessMonitoringInfosResponse();
                    break;
                case InstructionRequest.RequestOneofCase.SampleData:
                    response.SampleData = new SampleDataResponse();
                    break;
                default:
                    throw new NotSupportedException("The .NET harness does not know this kind of instruction.");
            }
        }
        catch (Exception e)
        {
            response.Error = FailureReport.Describe(e, null); // one bad instruction is that instruction's failure
        }

        return response;
    }

    // A bundle that is over, or not here yet, has nothing to report; asking is no error.
    private BundleExecution? Find(string instructionId) => _active.GetValueOrDefault(instructionId);

    // On the bundle's thread, which may block.
    private void RunBundle(
        string instructionId, BundleExecution execution, IMessageStream<InstructionRequest, InstructionResponse> control, ILogger logger)
    {
        var errors = new List<Exception>();
        execution.Run(Respond, errors);
        foreach (var error in errors) logger.LogError(error, "{Transform} failed while it was ended.", (error as TransformFailure)?.TransformName ?? "A function");

        void Respond(InstructionResponse response)
        {
            _active.TryRemove(instructionId, out _);
            try
            {
                control.WriteAsync(response).AsTask().GetAwaiter().GetResult();
            }
            catch (Exception e)
            {
                // Whatever it is, it must not end the process from this thread; the loop that reads instructions notices that the runner is gone.
                logger.LogDebug(e, "The runner is gone and does not get the response of bundle {Bundle}.", instructionId);
            }
        }
    }

    private async Task StartLoggingAsync(RunnerLoggerProvider logs, CancellationToken cancellationToken)
    {
        try
        {
            logs.Start(await connector.ConnectLoggingAsync(cancellationToken));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Not every runner takes logs, and bundles do not need it to.
            logs.CreateLogger(typeof(SdkHarness).FullName!).LogWarning(e, "The runner takes no logs.");
        }
    }

    private async Task StopAsync(BundleThreads threads, BundleProcessors processors, ILogger logger)
    {
        var ended = threads.StopAsync();
        await Task.WhenAny(ended, Task.Delay(options.ShutdownGrace, CancellationToken.None));
        if (!ended.IsCompleted) logger.LogWarning("Functions still run {Seconds} s after they were told to stop.", options.ShutdownGrace.TotalSeconds);
        var errors = new List<Exception>();
        await Task.Run(() => processors.Stop(errors));
        foreach (var error in errors) logger.LogError(error, "A function failed while it was torn down.");
    }
}
