using System.ComponentModel;
using Beam.FnApi;
using Beam.Harness;
using Beam.Model;
using Beam.Processes;
using Beam.Runner.Direct.Workers;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Beam.Runner.Direct;

/// <summary>What a worker process of the <see cref="DirectRunner"/> runs: an SDK harness. Programs have no use for it.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class SdkWorkerEntry : IProcessEntry
{
    /// <inheritdoc/>
    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        var (workerId, settings) = WorkerProcessSettings.Read(args);
        var options = PipelineOptions.FromStruct(
            Struct.Parser.ParseFrom(await File.ReadAllBytesAsync(Path.Combine(settings.WorkDirectory, WorkerProcessSettings.OptionsFile), cancellationToken)));
        await using var connector = new GrpcFnApiConnector(settings.Endpoint, workerId, settings.Token);
        try
        {
            await RunHarness(options)(connector, workerId, settings.WorkDirectory, cancellationToken);
            return 0;
        }
        catch (Exception e) when (e is IOException or RpcException)
        {
            // The runner has ended the connection, and with it the reason to be.
            return 1;
        }
    }

    /// <summary>Runs the .NET harness with these options.</summary>
    internal static RunHarness RunHarness(PipelineOptions options)
    {
        var level = ToLogLevel(options.As<DirectOptions>().LogLevel);
        return (connector, workerId, workDirectory, cancellationToken) => new SdkHarness(connector, new SdkHarnessOptions
        {
            WorkerId = workerId,
            WorkDirectory = workDirectory,
            PipelineOptions = options,
            MinimumLogLevel = level,
            RunnerCapabilities = new HashSet<string>
            {
                BeamUrns.RunnerProtocols.ControlResponseElementsEmbedding, BeamUrns.RunnerProtocols.MultimapKeysValuesSideInput,
            },
        }).RunAsync(cancellationToken);
    }

    private static LogLevel ToLogLevel(SdkHarnessLogLevel level) => level switch
    {
        SdkHarnessLogLevel.Trace => LogLevel.Trace,
        SdkHarnessLogLevel.Debug => LogLevel.Debug,
        SdkHarnessLogLevel.Info => LogLevel.Information,
        SdkHarnessLogLevel.Notice or SdkHarnessLogLevel.Warn => LogLevel.Warning,
        SdkHarnessLogLevel.Error => LogLevel.Error,
        _ => LogLevel.Critical,
    };
}
