using System.ComponentModel;
using System.Globalization;
using Beam.ML.Inference.Protocol;
using Beam.Processes;
using Beam.Rpc;
using Beam.Serialization;
using Google.Protobuf;

namespace Beam.ML.Inference.Hosting;

/// <summary>
/// The process that hosts one copy of a model for all workers of a job on its machine. Started by the worker that holds the copy's lease,
/// and ended with it by its lifeline.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class ModelHostProcess : IProcessEntry
{
    /// <summary>The environment variable with the token that callers must show.</summary>
    internal const string TokenVariable = "BEAM_MODEL_HOST_TOKEN";

    /// <summary>The exit code of a host whose model broke.</summary>
    internal const int BrokenExitCode = 70;

    /// <inheritdoc/>
    /// <param name="args">The handler's file, the socket, the generation, the limits of requests in flight (of all, and of one worker), and the number of copies.</param>
    /// <param name="cancellationToken">Cancelled when the owner asks the host to stop.</param>
    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        if (args.Length != 6
            || !long.TryParse(args[2], NumberStyles.None, CultureInfo.InvariantCulture, out var generation)
            || !int.TryParse(args[3], NumberStyles.None, CultureInfo.InvariantCulture, out var maxRequests)
            || !int.TryParse(args[4], NumberStyles.None, CultureInfo.InvariantCulture, out var maxRequestsPerWorker)
            || !int.TryParse(args[5], NumberStyles.None, CultureInfo.InvariantCulture, out var copies)
            || Environment.GetEnvironmentVariable(TokenVariable) is not { Length: > 0 } token)
        {
            throw new ArgumentException($"{nameof(ModelHostProcess)} is started by Beam's workers, not by hand.");
        }

        // Children of the model's own need not know it.
        Environment.SetEnvironmentVariable(TokenVariable, null);
        await using var model = new ModelLoader(
            () => DotnetPayloads.Deserialize<HostedHandler>(UnsafeByteOperations.UnsafeWrap(File.ReadAllBytes(args[0]))),
            new ModelLoadContext(copies, Path.GetDirectoryName(args[0])!), isFirst: generation == 1);
        var service = new ModelServiceHost(model, generation, maxRequests, maxRequestsPerWorker);
        // Workers of one job trust each other with the size of their messages.
        var options = new RpcServerOptions { Listen = "unix:" + args[1], MaxReceiveMessageSize = null, BearerToken = token, ShutdownGrace = TimeSpan.FromSeconds(1) };
        await using var server = await RpcServer.StartAsync(options, [ModelService.BindService(service)], cancellationToken);
        model.Start();
        var stopped = Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        if (await Task.WhenAny(stopped, service.Broken) == stopped) return 0;
        // Nobody shall wait for what will not come: no grace.
        await server.StopAsync(new CancellationToken(canceled: true));
        return BrokenExitCode;
    }
}
