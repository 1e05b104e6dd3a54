using System.Diagnostics;
using Beam.ML.Inference.Sharing;

namespace Beam.ML.Inference.Tests.Sharing;

public sealed class FailoverTests
{
    [Test]
    public async Task Every_request_is_answered_once_while_hosts_owners_and_other_workers_are_killed()
    {
        const int Rounds = 8;
        using var folder = new TemporaryFolder();
        await using var sampler = new HostSampler(folder.Path);
        var started = 0;
        var workers = new List<WorkerProcess>();
        try
        {
            for (var i = 0; i < 3; i++) await StartAsync();
            var kills = 0;
            for (var round = 0; round < Rounds; round++)
            {
                var host = await Hosts.ReadyAsync(folder.Path);
                Hosts.Kill(host.ProcessId);
                kills++;

                host = await Hosts.ReadyAsync(folder.Path, host.Generation + 1);
                await KillAsync(workers.Single(worker => worker.Id == host.OwnerWorker));
                await Hosts.AssertGoneAsync(host.ProcessId);
                kills++;
                await StartAsync();

                host = await Hosts.ReadyAsync(folder.Path, host.Generation + 1);
                await KillAsync(workers.First(worker => worker.Id != host.OwnerWorker));
                kills++;
                await StartAsync();
            }

            Assert.That(kills, Is.GreaterThanOrEqualTo(20));
            var last = await Hosts.ReadyAsync(folder.Path);
            await Task.WhenAll(workers.Select(worker => worker.StopAsync()));
            // Each asked until it was told to stop, and had then as many answers as it had asked for.
            foreach (var worker in workers) Assert.That(await worker.ReportAsync(), Does.Match(@"^answered (\d+) of \1, wrong 0, "), worker.Id);
            await Hosts.AssertGoneAsync(last.ProcessId);
            await Hosts.AssertNothingIsLeftAsync(folder.Path);
            Assert.That(sampler.Twins, Is.Empty, $"Two hosts at a time, in {sampler.Samples} samples.");
        }
        finally
        {
            foreach (var worker in workers) await worker.DisposeAsync();
        }

        async Task StartAsync()
        {
            var worker = new WorkerProcess(folder.Path, $"worker-{++started}");
            workers.Add(worker);
            await worker.ReadyAsync();
        }

        async Task KillAsync(WorkerProcess worker)
        {
            workers.Remove(worker);
            worker.Kill();
            await worker.ExitedAsync();
            await worker.DisposeAsync();
        }
    }

    [Test]
    public async Task A_host_that_is_stopped_is_taken_for_dead_and_replaced()
    {
        if (OperatingSystem.IsWindows()) Assert.Ignore("A process cannot be stopped by a signal here.");
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of(sharing => sharing with { HeartbeatTimeout = TimeSpan.FromSeconds(2) }));
        var before = await AskAsync(client, "echo before");
        using (var stop = Process.Start("kill", ["-STOP", $"{before.ProcessId}"])) await stop.WaitForExitAsync();

        var after = await AskAsync(client, "echo after").WaitAsync(WorkerProcess.Patience);

        Assert.That(after.Text, Is.EqualTo("after"));
        Assert.That(after.ProcessId, Is.Not.EqualTo(before.ProcessId));
        await Hosts.AssertGoneAsync(before.ProcessId);
    }

    [Test]
    public async Task A_stopped_host_whose_owner_died_is_ended_by_the_next_owner()
    {
        if (OperatingSystem.IsWindows()) Assert.Ignore("A process cannot be stopped by a signal here.");
        using var folder = new TemporaryFolder();
        await using var owner = new WorkerProcess(folder.Path, "owner");
        await owner.ReadyAsync();
        var orphan = await Hosts.ReadyAsync(folder.Path);
        using (var stop = Process.Start("kill", ["-STOP", $"{orphan.ProcessId}"])) await stop.WaitForExitAsync();
        owner.Kill();
        await owner.ExitedAsync();

        await using var heir = new WorkerProcess(folder.Path, "heir");
        var next = await Hosts.ReadyAsync(folder.Path, orphan.Generation + 1);

        await Hosts.AssertGoneAsync(orphan.ProcessId);
        Assert.That(next.OwnerWorker, Is.EqualTo("heir"));
        await heir.StopAsync();
    }

    [Test]
    public async Task A_host_whose_model_broke_is_replaced_and_a_request_that_breaks_every_host_fails_in_the_end()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of(sharing => sharing with { MaxAttempts = 2 }));
        var before = await AskAsync(client, "echo x");

        Assert.That(() => AskAsync(client, "break"), Throws.TypeOf<ModelUnavailableException>().With.Message.Contains("in 2 attempts"));

        var after = await AskAsync(client, "echo x");
        Assert.That(after.ProcessId, Is.Not.EqualTo(before.ProcessId));
    }

    [Test]
    public async Task A_request_that_crashes_every_host_fails_when_its_attempts_are_spent()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of(sharing => sharing with { MaxAttempts = 2 }));
        Assert.That(() => AskAsync(client, "crash"), Throws.TypeOf<ModelUnavailableException>());
        Assert.That((await AskAsync(client, "echo again")).Text, Is.EqualTo("again"));
        Assert.That(Hosts.Of(folder.Path).Single().Generation, Is.EqualTo(3));
    }

    internal static async Task<FakeAnswer> AskAsync(Clients.InferenceClient<string, FakeAnswer> client, string example, CancellationToken cancellationToken = default)
    {
        var outcome = (await client.PredictAsync([example], [], new InferenceMetrics("test"), cancellationToken))[0];
        return outcome.Error is { } error ? throw error : outcome.Value;
    }
}
