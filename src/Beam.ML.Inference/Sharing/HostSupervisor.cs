using System.Diagnostics;
using System.Security.Cryptography;
using Beam.ML.Inference.Protocol;

namespace Beam.ML.Inference.Sharing;

/// <summary>
/// Contends for the lease of one copy, and while it holds it, keeps exactly one host running: starts it under a new generation, publishes
/// it when it is ready, listens to its heart, and replaces it when it is lost.
/// </summary>
internal sealed class HostSupervisor
{
    private static readonly TimeSpan LeasePollInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan StatusPollInterval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan ExitGrace = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ListenPatience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan ExitPatience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan MaxRestartDelay = TimeSpan.FromSeconds(5);

    private readonly HostDirectory directory;
    private readonly HostLaunch launch;
    private readonly ModelSharing sharing;
    private readonly Func<bool> isWanted;
    private readonly Action<HostLoad> onLoaded;

    /// <param name="directory">Where the workers agree.</param>
    /// <param name="launch">What a host is started with.</param>
    /// <param name="sharing">Intervals and limits.</param>
    /// <param name="isWanted">Whether this worker needs a host and sees none: only then it contends.</param>
    /// <param name="onLoaded">Gets what loading cost, for each host that this worker started.</param>
    public HostSupervisor(HostDirectory directory, HostLaunch launch, ModelSharing sharing, Func<bool> isWanted, Action<HostLoad> onLoaded) =>
        (this.directory, this.launch, this.sharing, this.isWanted, this.onLoaded) = (directory, launch, sharing, isWanted, onLoaded);

    /// <summary>Runs until it is cancelled; the host is stopped before the task ends.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            using var lease = await AcquireAsync(cancellationToken);
            // Whoever waited behind the last owner may find that a host is up by now, but the lease says that its owner is gone.
            await LeftoverHost.EndAsync(directory.Read());
            await SuperviseAsync(cancellationToken);
        }
    }

    private async Task<FileLease> AcquireAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (isWanted() && FileLease.TryAcquire(directory.LeasePath) is { } lease) return lease;
            // Contenders that wait in step would meet again and again.
            await Task.Delay(LeasePollInterval * (0.5 + Random.Shared.NextDouble()), cancellationToken);
        }
    }

    private async Task SuperviseAsync(CancellationToken cancellationToken)
    {
        if (directory.Read() is { Error: not null }) await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        var crashes = 0;
        while (true)
        {
            var generation = directory.NextGeneration();
            var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
            var socket = directory.SocketPath(generation);
            var host = HostProcess.Start(launch, directory.HandlerPath, socket, generation, token, sharing);
            try
            {
                var record = new HostRecord
                {
                    Generation = generation,
                    ProcessId = host.Id,
                    ProcessStarted = host.StartedTicks,
                    OwnerWorker = launch.OwnerWorker,
                    Socket = socket,
                    Token = token,
                };
                directory.Publish(record);
                await using var channel = HostChannel.To(record);
                var status = await WaitUntilLoadedAsync(host, channel, socket, cancellationToken);
                if (status.State == GetStatusResponse.Types.State.Failed)
                {
                    directory.Publish(record with { Error = OneLine(status.Error.Message) });
                    await host.StopAsync();
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                }

                onLoaded(new HostLoad(status.LoadMillis, status.ModelBytes));
                directory.Publish(record with { IsReady = true });
                crashes = 0;
                await WatchAsync(host, channel, cancellationToken);
            }
            catch (HostLostException e)
            {
                directory.Withdraw();
                await host.DisposeAsync();
                launch.Log(e.Message);
                // A host that was ready failed by accident; one that dies while it loads will probably do it again.
                if (!e.Data.Contains(LoadCrash)) continue;
                if (++crashes >= sharing.MaxLoadCrashes)
                {
                    directory.Publish(Failed(generation, $"The model cannot be loaded: its host died {crashes} times while loading. {e.Message}"));
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(250 << crashes, MaxRestartDelay.TotalMilliseconds)), cancellationToken);
            }
            finally
            {
                if (cancellationToken.IsCancellationRequested && directory.Read() is { Error: null }) directory.Withdraw();
                await host.StopAsync();
                File.Delete(socket);
            }
        }
    }

    /// <summary>Publishes that there will be no host.</summary>
    public void PublishFailure(string message) => directory.Publish(Failed(directory.NextGeneration(), OneLine(message)));

    private const string LoadCrash = nameof(LoadCrash);

    private async Task<GetStatusResponse> WaitUntilLoadedAsync(HostProcess host, HostChannel channel, string socket, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            while (!File.Exists(socket))
            {
                await Task.WhenAny(host.Exited, Task.Delay(StatusPollInterval, cancellationToken));
                cancellationToken.ThrowIfCancellationRequested();
                if (host.Exited.IsCompleted) throw new HostLostException(host.DescribeExit());
                if (Stopwatch.GetElapsedTime(started) > StartTimeout) throw new HostLostException($"The model host {host.Id} did not start within {StartTimeout.TotalSeconds} s.");
            }

            var bound = Stopwatch.GetTimestamp();
            while (true)
            {
                GetStatusResponse? status = null;
                try
                {
                    status = await channel.GetStatusAsync(sharing.HeartbeatTimeout, cancellationToken);
                }
                catch (HostLostException) when (!host.Exited.IsCompleted && Stopwatch.GetElapsedTime(bound) < ListenPatience)
                {
                    // The socket is bound a moment before the server listens, which on a busy machine may be a long one.
                }

                if (status is { State: not GetStatusResponse.Types.State.Loading }) return status;
                await Task.WhenAny(host.Exited, Task.Delay(StatusPollInterval, cancellationToken));
                cancellationToken.ThrowIfCancellationRequested();
                if (host.Exited.IsCompleted) throw new HostLostException(host.DescribeExit());
            }
        }
        catch (HostLostException e)
        {
            // Where the process is gone, its exit code and last words say more than the broken connection.
            await Task.WhenAny(host.Exited, Task.Delay(ExitPatience, cancellationToken));
            var loss = host.Exited.IsCompleted ? new HostLostException(host.DescribeExit(), e) : new HostLostException(e.Message, e);
            loss.Data[LoadCrash] = true;
            throw loss;
        }
    }

    private async Task WatchAsync(HostProcess host, HostChannel channel, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var heart = channel.HeartbeatAsync(sharing, onBeat: null, stop.Token);
        await Task.WhenAny(heart, host.Exited);
        // A process that ends closes its socket first: how it ended says more than that it is gone.
        if (!host.Exited.IsCompleted) await Task.WhenAny(host.Exited, Task.Delay(ExitGrace, cancellationToken));
        if (!host.Exited.IsCompleted) await heart;
        await stop.CancelAsync();
        try
        {
            await heart;
        }
        catch (Exception e) when (e is HostLostException or OperationCanceledException)
        {
        }

        cancellationToken.ThrowIfCancellationRequested();
        throw new HostLostException(host.DescribeExit());
    }

    private HostRecord Failed(long generation, string message) => new()
    {
        Generation = generation,
        ProcessId = 0,
        ProcessStarted = 0,
        OwnerWorker = launch.OwnerWorker,
        Socket = "",
        Token = "",
        Error = message,
    };

    private static string OneLine(string message) => message.ReplaceLineEndings(" ").Trim();
}
