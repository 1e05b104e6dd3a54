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
        await SignalAsync("-STOP", before.ProcessId);

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
        await SignalAsync("-STOP", orphan.ProcessId);
        owner.Kill();
        await owner.ExitedAsync();

        await using var heir = new WorkerProcess(folder.Path, "heir");
        var next = await Hosts.ReadyAsync(folder.Path, orphan.Generation + 1);

        await Hosts.AssertGoneAsync(orphan.ProcessId);
        Assert.That(next.OwnerWorker, Is.EqualTo("heir"));
        await heir.StopAsync();
    }

    [Test]
    public async Task A_model_that_makes_no_progress_is_taken_for_dead_and_replaced()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(new FakeModelHandler
        {
            ReportsProgress = true,
            Sharing = new ModelSharing { MaxAttempts = 2, HeartbeatInterval = TimeSpan.FromMilliseconds(100), StallTimeout = TimeSpan.FromSeconds(1) },
        });
        Assert.That(() => AskAsync(client, "hang").WaitAsync(WorkerProcess.Patience), Throws.TypeOf<ModelUnavailableException>());
        Assert.That((await AskAsync(client, "echo again")).Text, Is.EqualTo("again"));
        Assert.That(Hosts.Of(folder.Path).Single().Generation, Is.EqualTo(3));
    }

    [Test]
    public async Task An_owner_that_was_stopped_for_longer_than_the_heartbeats_timeout_keeps_its_host()
    {
        if (OperatingSystem.IsWindows()) Assert.Ignore("A process cannot be stopped by a signal here.");
        using var folder = new TemporaryFolder();
        await using var owner = new WorkerProcess(folder.Path, "owner");
        await owner.ReadyAsync();
        var host = await Hosts.ReadyAsync(folder.Path);
        await SignalAsync("-STOP", owner.ProcessId);
        // Longer than the worker's HeartbeatTimeout: what is tested, and not a wait for something.
        await Task.Delay(SharedModels.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        await SignalAsync("-CONT", owner.ProcessId);
        await owner.StopAsync();
        Assert.That(await owner.ReportAsync(), Does.Match($@"^answered (\d+) of \1, wrong 0, hosts {host.ProcessId}$"));
    }

    [TestCase("break")]
    [TestCase("crash")]
    public async Task A_request_that_kills_every_host_fails_alone_when_its_attempts_are_spent(string poison)
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of(sharing => sharing with { MaxAttempts = 5 }));
        var before = await AskAsync(client, "echo x");

        var others = Task.WhenAll(Enumerable.Range(0, 40).Select(i => AskAsync(client, $"slow {i}")));
        Assert.That(() => AskAsync(client, poison), Throws.TypeOf<InferenceException>().With.Message.Contains("lost 5 hosts to this request"));

        Assert.That((await others).Select(answer => answer.Text), Is.EqualTo(Enumerable.Range(0, 40).Select(i => $"{i}")));
        Assert.That((await AskAsync(client, "echo x")).ProcessId, Is.Not.EqualTo(before.ProcessId));
        Assert.That(Hosts.Of(folder.Path).Single().Generation, Is.EqualTo(6));
    }

    [Test]
    public async Task A_request_whose_attempts_are_spent_before_it_was_alone_blames_the_hosts()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of(sharing => sharing with { MaxAttempts = 2 }));
        Assert.That(() => AskAsync(client, "crash"), Throws.TypeOf<ModelUnavailableException>().With.Message.Contains("in 2 attempts"));
        Assert.That((await AskAsync(client, "echo again")).Text, Is.EqualTo("again"));
        Assert.That(Hosts.Of(folder.Path).Single().Generation, Is.EqualTo(3));
    }

    private static async Task SignalAsync(string signal, int processId)
    {
        using var kill = Process.Start("kill", [signal, $"{processId}"]);
        await kill.WaitForExitAsync();
    }

    internal static async Task<FakeAnswer> AskAsync(Clients.InferenceClient<string, FakeAnswer> client, string example, CancellationToken cancellationToken = default)
    {
        var outcome = (await client.PredictAsync([example], [], new InferenceMetrics("test"), cancellationToken))[0];
        return outcome.Error is { } error ? throw error : outcome.Value;
    }
}
