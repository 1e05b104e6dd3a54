using System.Collections.Concurrent;
using System.Diagnostics;
using Beam.ML.Inference.Protocol;

namespace Beam.ML.Inference.Sharing;

/// <summary>
/// A model as one worker sees it: requests go to the least loaded of its hosts, wherever they run, and survive their hosts' deaths within
/// the budget of <see cref="ModelSharing"/>.
/// </summary>
internal sealed class SharedModel : IAsyncDisposable
{
    private static readonly TimeSpan CopyPatience = TimeSpan.FromSeconds(10);

    private readonly ModelSharing sharing;
    private readonly string name;
    private readonly HostClient[] clients;
    private readonly SemaphoreSlim slots;
    private readonly Quarantine quarantine;
    private readonly Signal changed = new();
    private readonly CancellationTokenSource end = new();
    private readonly ConcurrentQueue<HostLoad> loads = new();
    private readonly Task background;
    private volatile Exception? fault;
    private int pending;
    private int turns;

    public SharedModel(string workDirectory, string tag, ReadOnlySpan<byte> handler, HostLaunch launch, ModelSharing sharing)
    {
        this.sharing = sharing;
        name = launch.ModelName;
        slots = new SemaphoreSlim(sharing.MaxRequestsPerWorker);
        var directories = Enumerable.Range(0, sharing.Copies).Select(copy => new HostDirectory(workDirectory, tag, copy)).ToArray();
        directories[0].WriteHandler(handler);
        quarantine = new Quarantine(directories[0].QuarantinePath, sharing.MaxAttempts);
        clients = [.. directories.Select(directory => new HostClient(directory, sharing, changed))];
        background = Task.WhenAll(directories.SelectMany((directory, copy) => new[]
        {
            GuardAsync(clients[copy].RunAsync, onFault: null),
            SuperviseAsync(directory, clients[copy], launch),
        }));
    }

    /// <summary>Waits until a host is ready, and a while for those of the other copies: requests that came before them would all be the first one's.</summary>
    /// <exception cref="ModelLoadException">The model cannot be loaded.</exception>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref pending);
        try
        {
            var started = Stopwatch.GetTimestamp();
            await PickAsync(cancellationToken);
            // Copies load side by side, so that the others are due as well.
            await Patience.TryAsync(AllReadyAsync, CopyPatience + Stopwatch.GetElapsedTime(started), cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref pending);
        }
    }

    /// <summary>Has a batch predicted.</summary>
    /// <returns>The host's answer, which may be an error of the batch, and the host.</returns>
    /// <exception cref="ModelLoadException">The model cannot be loaded.</exception>
    /// <exception cref="ModelUnavailableException">The budget for failover is spent.</exception>
    /// <exception cref="InferenceException">It is spent, and the batch was alone with the hosts that it lost in the end: it kills them.</exception>
    public async Task<(PredictResponse Response, HostRecord Host)> PredictAsync(Batch batch, CancellationToken cancellationToken)
    {
        await slots.WaitAsync(cancellationToken);
        Interlocked.Increment(ref pending);
        try
        {
            for (var losses = 0; ;)
            {
                using var place = await quarantine.EnterAsync(losses, cancellationToken);
                var host = losses == 0 ? await PickAsync(cancellationToken) : await PickNextAsync(cancellationToken);
                string reason;
                try
                {
                    var response = await host.PredictAsync(batch, cancellationToken);
                    if (response.Error is not { Retryable: true } error)
                    {
                        if (losses >= 2) quarantine.Trust();
                        return (response, host.Record);
                    }

                    reason = error.Message;
                    host.Abandon(reason);
                }
                catch (HostLostException e)
                {
                    reason = e.Message;
                }

                quarantine.Distrust();
                if (++losses < sharing.MaxAttempts) continue;
                if (place.IsAlone)
                    throw new InferenceException(typeof(ModelUnavailableException).FullName!, $"{name} lost {losses} hosts to this request, the last ones while it was alone: {reason}", "");
                throw new ModelUnavailableException($"{name} did not answer a request in {losses} attempts. The last one: {reason}");
            }
        }
        finally
        {
            Interlocked.Decrement(ref pending);
            slots.Release();
        }
    }

    /// <summary>What loading cost, once for each host that this worker started.</summary>
    public bool TryTakeLoad(out HostLoad load) => loads.TryDequeue(out load);

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await background;
        end.Dispose();
        slots.Dispose();
        quarantine.Dispose();
    }

    /// <summary>The successor of a host that was lost.</summary>
    private async Task<HostConnection> PickNextAsync(CancellationToken cancellationToken)
    {
        HostConnection? next = null;
        if (await Patience.TryAsync(async token => next = await PickAsync(token), sharing.FailoverTimeout, cancellationToken)) return next!;
        throw new ModelUnavailableException($"{name} lost its host, and no other was ready within {sharing.FailoverTimeout.TotalSeconds:0} s.");
    }

    private async Task AllReadyAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = changed.Next;
            if (fault is not null || end.IsCancellationRequested || clients.All(client => client.EverConnected || client.Error is not null)) return;
            await next.WaitAsync(cancellationToken);
        }
    }

    private async Task<HostConnection> PickAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = changed.Next;
            HostConnection? best = null;
            var turn = (int)((uint)Interlocked.Increment(ref turns) % (uint)clients.Length);
            for (var i = 0; i < clients.Length; i++)
                if (clients[(turn + i) % clients.Length].Current is { } host && (best is null || host.Load < best.Load)) best = host;
            if (best is not null) return best;
            if (clients.Select(client => client.Error).FirstOrDefault(error => error is not null) is { } failure) throw new ModelLoadException(failure);
            if (fault is { } broken) throw new ModelLoadException($"{name} cannot be shared between workers: {broken.Message}", broken);
            ObjectDisposedException.ThrowIf(end.IsCancellationRequested, this);
            await next.WaitAsync(cancellationToken);
        }
    }

    private Task SuperviseAsync(HostDirectory directory, HostClient client, HostLaunch launch)
    {
        var supervisor = new HostSupervisor(directory, launch, sharing,
            isWanted: () => client.Current is null && client.Error is null && (Volatile.Read(ref pending) > 0 || !client.EverConnected),
            onLoaded: loads.Enqueue);
        return GuardAsync(supervisor.RunAsync, e => supervisor.PublishFailure($"{name} cannot be hosted: {e.Message}"));
    }

    /// <summary>Nothing of this runs unobserved: an error that nobody foresaw reaches whoever waits for the model.</summary>
    private async Task GuardAsync(Func<CancellationToken, Task> run, Action<Exception>? onFault)
    {
        try
        {
            await Task.Run(() => run(end.Token));
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            fault = e;
            try
            {
                onFault?.Invoke(e);
            }
            catch (Exception also) when (also is IOException or UnauthorizedAccessException or InvalidDataException)
            {
                // What cannot be published is known here at least.
            }
        }
        finally
        {
            changed.Raise();
        }
    }
}
