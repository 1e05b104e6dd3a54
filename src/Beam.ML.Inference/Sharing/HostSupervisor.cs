using System.ComponentModel;
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
    private static readonly TimeSpan ProbationTime = TimeSpan.FromMinutes(1);

    private readonly HostDirectory directory;
    private readonly HostLaunch launch;
    private readonly ModelSharing sharing;
    private readonly Func<bool> isWanted;
    private readonly Action<HostLoad> onLoaded;
    private readonly RestartPolicy restarts;

    /// <param name="directory">Where the workers agree.</param>
    /// <param name="launch">What a host is started with.</param>
    /// <param name="sharing">Intervals and limits.</param>
    /// <param name="isWanted">Whether this worker needs a host and sees none: only then it contends.</param>
    /// <param name="onLoaded">Gets what loading cost, for each host that this worker started.</param>
    public HostSupervisor(HostDirectory directory, HostLaunch launch, ModelSharing sharing, Func<bool> isWanted, Action<HostLoad> onLoaded)
    {
        (this.directory, this.launch, this.sharing, this.isWanted, this.onLoaded) = (directory, launch, sharing, isWanted, onLoaded);
        restarts = new RestartPolicy(sharing.MaxLoadCrashes);
    }

    /// <summary>Runs until it is cancelled; the host is stopped before the task ends.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            using var lease = await AcquireAsync(cancellationToken);
            // Whoever waited behind the last owner may find that a host is up by now, but the lease says that its owner is gone.
            var leftover = directory.Read();
            await LeftoverHost.EndAsync(leftover, cancellationToken);
            HostSocket.Delete(leftover?.Socket ?? "");
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

    /// <summary>Keeps a host running until nobody here needs one, or somebody else has started another; the lease is free then.</summary>
    private async Task SuperviseAsync(CancellationToken cancellationToken)
    {
        if (directory.Read() is { Error: not null }) await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        do
        {
            var (end, message) = await RunHostAsync(cancellationToken);
            if (end == HostEnd.LoadFailed) await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            launch.Log(message);
            if (end == HostEnd.Superseded) return;
            if (restarts.Lost(whileLoading: end == HostEnd.LoadCrash) is not { } delay)
            {
                PublishFailure($"The model cannot be loaded: its host failed {restarts.LoadCrashes} times while loading. {message}");
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }
            else
            {
                await Task.Delay(delay, cancellationToken);
            }
        }
        while (isWanted());
    }

    /// <summary>Publishes that there will be no host.</summary>
    public void PublishFailure(string message) => directory.Publish(new HostRecord
    {
        Generation = directory.NextGeneration(),
        ProcessId = 0,
        ProcessStarted = 0,
        OwnerWorker = launch.OwnerWorker,
        Socket = "",
        Token = "",
        Error = OneLine(message),
    });

    /// <summary>The life of one host, from its start to its end, when nothing of it is left.</summary>
    private async Task<(HostEnd End, string Message)> RunHostAsync(CancellationToken cancellationToken)
    {
        var isLoaded = false;
        try
        {
            var generation = directory.NextGeneration();
            var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
            var socket = directory.NewSocket(generation);
            await using var host = HostProcess.Start(launch, directory.HandlerPath, socket, generation, token, sharing);
            var record = new HostRecord
            {
                Generation = generation,
                ProcessId = host.Id,
                ProcessStarted = host.StartedTicks,
                OwnerWorker = launch.OwnerWorker,
                Socket = socket,
                Token = token,
            };
            try
            {
                directory.Publish(record);
                await using var channel = HostChannel.To(record);
                var status = await WaitUntilLoadedAsync(host, channel, socket, cancellationToken);
                if (status.State == GetStatusResponse.Types.State.Failed)
                {
                    var message = OneLine(status.Error.Message);
                    if (!status.Error.Retryable) directory.Publish(record with { Error = message });
                    await host.StopAsync();
                    return (status.Error.Retryable ? HostEnd.LoadCrash : HostEnd.LoadFailed, message);
                }

                isLoaded = true;
                restarts.Loaded();
                onLoaded(new HostLoad(status.LoadMillis, status.ModelBytes));
                directory.Publish(record with { IsReady = true });
                return (HostEnd.Lost, await WatchAsync(host, channel, cancellationToken));
            }
            finally
            {
                if (cancellationToken.IsCancellationRequested) await host.StopAsync();
                else host.Kill();
                await host.Exited;
                directory.Withdraw(record);
                HostSocket.Delete(socket);
            }
        }
        catch (HostSupersededException e)
        {
            return (HostEnd.Superseded, e.Message);
        }
        catch (Exception e) when (e is HostLostException or IOException or UnauthorizedAccessException or Win32Exception)
        {
            // Files and processes fail for a while too: a disk is full, or there are too many processes.
            return (isLoaded ? HostEnd.Lost : HostEnd.LoadCrash, e.Message);
        }
    }

    private async Task<GetStatusResponse> WaitUntilLoadedAsync(HostProcess host, HostChannel channel, string socket, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var isListening = false;
        while (true)
        {
            try
            {
                if (isListening || File.Exists(socket))
                {
                    var status = await channel.GetStatusAsync(sharing.HeartbeatTimeout, cancellationToken);
                    isListening = true;
                    if (status.State != GetStatusResponse.Types.State.Loading) return status;
                }
            }
            catch (HostLostException e)
            {
                // The socket is bound before the server listens, on a busy machine long before.
                if (isListening && !await Patience.LastsAsync(host.Exited, ExitGrace, cancellationToken)) throw;
                if (host.Exited.IsCompleted) throw new HostLostException(host.DescribeExit(), e);
            }

            if (await Patience.LastsAsync(host.Exited, StatusPollInterval, cancellationToken)) throw new HostLostException(host.DescribeExit());
            var limit = isListening ? sharing.LoadTimeout : StartTimeout;
            if (Stopwatch.GetElapsedTime(started) > limit)
                throw new HostLostException($"The model host {host.Id} {(isListening ? "did not load its model" : "did not start")} within {limit.TotalSeconds:0} s.");
        }
    }

    /// <summary>Waits until a host is lost, and says how.</summary>
    private async Task<string> WatchAsync(HostProcess host, HostChannel channel, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var progress = new ProgressWatch(sharing.HeartbeatInterval, sharing.StallTimeout);
        var ready = Stopwatch.GetTimestamp();
        var heart = channel.HeartbeatAsync(sharing, OnBeat, stop.Token);
        // A process that ends closes its socket first: how it ended says more than that it is gone.
        if (await Task.WhenAny(heart, host.Exited) == heart && !await Patience.LastsAsync(host.Exited, ExitGrace, cancellationToken)) await heart;
        await stop.CancelAsync();
        await heart.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        if (heart.Exception?.InnerException is HostSupersededException superseded) throw superseded;
        return host.DescribeExit();

        void OnBeat(HeartbeatResponse beat)
        {
            if (beat.Answered > 0 || Stopwatch.GetElapsedTime(ready) > ProbationTime) restarts.Proved();
            if (directory.IsSuperseded(channel.Record)) throw new HostSupersededException($"The model {channel.Record} was superseded.");
            if (progress.IsStalled(beat))
                throw new HostLostException($"The model {channel.Record} has made no progress for {sharing.StallTimeout.TotalSeconds:0.#} s with {beat.RequestsInFlight} requests in flight.");
        }
    }

    private static string OneLine(string message) => message.ReplaceLineEndings(" ").Trim();

    /// <summary>How a host's life ended.</summary>
    private enum HostEnd
    {
        /// <summary>It was ready, and died or hung.</summary>
        Lost,

        /// <summary>It died while it loaded, or could not load for a reason that may pass.</summary>
        LoadCrash,

        /// <summary>It cannot load the model, which is published.</summary>
        LoadFailed,

        /// <summary>Another took its place.</summary>
        Superseded,
    }
}
