using System.Globalization;
using Beam.ML.Inference.Clients;
using Beam.Processes;

namespace Beam.ML.Inference.Tests;

/// <summary>
/// A worker process that asks the model, at least once, for as long as it is not told to stop, several requests at a time. It prints <c>ready</c>, and at
/// the end <c>answered n of m, wrong 0, hosts …</c> or <c>error: …</c>.
/// </summary>
public sealed class WorkerEntry : IProcessEntry
{
    private const int Concurrency = 8;

    /// <param name="args">The work directory, the worker's id, the number of copies, and the number of requests (0: until told to stop).</param>
    /// <param name="cancellationToken">Ends the asking.</param>
    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        var copies = int.Parse(args[2], CultureInfo.InvariantCulture);
        var limit = int.Parse(args[3], CultureInfo.InvariantCulture);
        await using var worker = new TestWorker(args[0], args[1]);
        try
        {
            var client = await worker.ConnectAsync(SharedModels.Patient(copies), cancellationToken);
            Console.WriteLine("ready");
            var metrics = new InferenceMetrics("test");
            long next = 0, asked = 0, answered = 0, wrong = 0;
            var hosts = new System.Collections.Concurrent.ConcurrentDictionary<int, bool>();
            await Task.WhenAll(Enumerable.Range(0, Concurrency).Select(async _ =>
            {
                do
                {
                    var number = Interlocked.Increment(ref next);
                    if (limit > 0 && number > limit) return;
                    Interlocked.Increment(ref asked);
                    var text = $"{args[1]}/{number}";
                    var outcome = (await client.PredictAsync([$"slow {text}"], [], metrics, CancellationToken.None))[0];
                    if (outcome.Error is { } error) throw error;
                    Interlocked.Increment(ref answered);
                    hosts.TryAdd(outcome.Value.ProcessId, true);
                    if (outcome.Value.Text != text) Interlocked.Increment(ref wrong);
                }
                while (!cancellationToken.IsCancellationRequested);
            }));
            Console.WriteLine($"answered {answered} of {asked}, wrong {wrong}, hosts {string.Join(' ', hosts.Keys)}");
            // The owner of the hosts stays until all have finished.
            if (limit > 0) await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        }
        catch (OperationCanceledException)
        {
        }
        catch (Exception e)
        {
            Console.WriteLine($"error: {e.Message}");
            return 1;
        }

        return 0;
    }
}

/// <summary>The handlers of the tests.</summary>
internal static class SharedModels
{
    /// <summary>The patience of <see cref="Patient"/>'s owners.</summary>
    public static readonly TimeSpan HeartbeatTimeout = TimeSpan.FromSeconds(5);

    /// <summary>A handler whose callers survive many deaths.</summary>
    public static FakeModelHandler Patient(int copies = 1) => new()
    {
        ModelCopies = copies,
        Sharing = new ModelSharing { MaxAttempts = 100, HeartbeatInterval = TimeSpan.FromMilliseconds(200), HeartbeatTimeout = HeartbeatTimeout },
    };

    public static FakeModelHandler Of(Func<ModelSharing, ModelSharing>? sharing = null, string? loadError = null, string? loadLog = null, bool crash = false) => new()
    {
        LoadError = loadError,
        LoadLog = loadLog,
        CrashWhileLoading = crash,
        Sharing = (sharing ?? (s => s))(new ModelSharing { HeartbeatInterval = TimeSpan.FromMilliseconds(200) }),
    };
}
