using Beam.ML.Inference.Sharing;

namespace Beam.ML.Inference.Tests.Sharing;

public sealed class HostTests
{
    [Test]
    public async Task A_model_that_cannot_be_loaded_is_reported_once_to_every_worker_with_its_one_line_message()
    {
        using var folder = new TemporaryFolder();
        var log = Path.Combine(folder.Path, "loads");
        await using var first = new TestWorker(folder.Path, "worker-1");
        await using var second = new TestWorker(folder.Path, "worker-2");
        var handler = SharedModels.Of(loadError: "config.json is missing in '/models/x'.\nPut it there.", loadLog: log);
        foreach (var worker in new[] { first, second, first })
        {
            Assert.That(() => worker.ConnectAsync(handler).WaitAsync(WorkerProcess.Patience),
                Throws.TypeOf<ModelLoadException>().With.Message.EqualTo("config.json is missing in '/models/x'. Put it there."));
        }

        Assert.That(await File.ReadAllLinesAsync(log), Has.Length.EqualTo(1));
        await Hosts.AssertGoneAsync(Hosts.Of(folder.Path).Single().ProcessId);
    }

    [Test]
    public async Task A_host_that_dies_whenever_it_loads_is_given_up()
    {
        using var folder = new TemporaryFolder();
        var log = Path.Combine(folder.Path, "loads");
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var handler = SharedModels.Of(sharing => sharing with { MaxLoadCrashes = 2 }, loadLog: log, crash: true);
        Assert.That(() => worker.ConnectAsync(handler).WaitAsync(WorkerProcess.Patience),
            Throws.TypeOf<ModelLoadException>().With.Message.Match(@"failed 2 times while loading. The model host \d+ exited with code 3"));
        Assert.That(await File.ReadAllLinesAsync(log), Has.Length.EqualTo(2));
    }

    [Test]
    public async Task A_load_that_fails_for_a_reason_that_passes_is_tried_again()
    {
        using var folder = new TemporaryFolder();
        var log = Path.Combine(folder.Path, "loads");
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(new FakeModelHandler { LoadLog = log, FlakyLoads = 2 }).WaitAsync(WorkerProcess.Patience);
        Assert.That((await FailoverTests.AskAsync(client, "echo x")).Text, Is.EqualTo("x"));
        Assert.That(await File.ReadAllLinesAsync(log), Has.Length.EqualTo(3));
    }

    [Test]
    public async Task A_worker_waits_for_all_copies_and_uses_them_from_its_first_requests_on()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Patient(copies: 3));
        var answers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => FailoverTests.AskAsync(client, "slow x")));
        Assert.That(answers.Select(answer => answer.ProcessId), Is.Unique);
    }

    [Test]
    public async Task Of_a_batch_for_a_model_that_batches_by_itself_only_the_bad_example_fails_and_none_is_asked_twice()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of());
        var outcomes = await client.PredictAsync(["echo a", "nonsense", "echo b"], [], new InferenceMetrics("test"), CancellationToken.None);
        Assert.That(outcomes.Select(outcome => outcome.Value?.Text), Is.EqualTo(new[] { "a", null, "b" }));
        Assert.That(outcomes[1].Error, Is.TypeOf<InferenceException>().With.Message.EqualTo("The model does not understand 'nonsense'."));
        await using var channel = HostChannel.To(await Hosts.ReadyAsync(folder.Path));
        Assert.That((await channel.BeatAsync(WorkerProcess.Patience, CancellationToken.None)).Answered, Is.EqualTo(1));
    }

    [Test]
    public async Task A_caller_with_another_token_or_generation_is_refused()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        await worker.ConnectAsync(SharedModels.Of());
        var record = await Hosts.ReadyAsync(folder.Path);
        Assert.That(() => BeatAsync(record), Throws.Nothing);
        Assert.That(() => BeatAsync(record with { Token = new string('0', 64) }), Throws.TypeOf<HostLostException>().With.Message.Contains("refused"));
        Assert.That(() => BeatAsync(record with { Generation = record.Generation + 1 }),
            Throws.TypeOf<HostLostException>().With.Message.Contains("This is generation 1 of the model's host"));
        if (!OperatingSystem.IsWindows())
        {
            const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            Assert.That(File.GetUnixFileMode(record.Socket), Is.EqualTo(Private));
            Assert.That(File.GetUnixFileMode(Directory.EnumerateFiles(folder.Path, "0.json", SearchOption.AllDirectories).Single()), Is.EqualTo(Private));
        }

        static async Task BeatAsync(HostRecord record)
        {
            await using var channel = HostChannel.To(record);
            await channel.BeatAsync(TimeSpan.FromSeconds(30), CancellationToken.None);
        }
    }

    [Test]
    public async Task A_request_that_is_cancelled_is_aborted_at_the_host()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of());
        using var cancellation = new CancellationTokenSource();
        var hanging = FailoverTests.AskAsync(client, "hang", cancellation.Token);
        await using var channel = HostChannel.To(await Hosts.ReadyAsync(folder.Path));
        await UntilInFlightAsync(1);
        await cancellation.CancelAsync();
        Assert.That(() => hanging, Throws.InstanceOf<OperationCanceledException>());
        await UntilInFlightAsync(0);
        Assert.That((await FailoverTests.AskAsync(client, "echo still here")).Text, Is.EqualTo("still here"));

        async Task UntilInFlightAsync(int count)
        {
            using var timeout = new CancellationTokenSource(WorkerProcess.Patience);
            while ((await channel.BeatAsync(TimeSpan.FromSeconds(30), timeout.Token)).RequestsInFlight != count) await Task.Delay(10, timeout.Token);
        }
    }

    [Test]
    public async Task One_bad_example_fails_alone_and_says_why()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of());
        var outcomes = await Task.WhenAll(new[] { "echo a", "nonsense", "echo b" }
            .Select(async example => (await client.PredictAsync([example], [], new InferenceMetrics("test"), CancellationToken.None))[0]));
        Assert.That(outcomes.Select(outcome => outcome.Value?.Text), Is.EqualTo(new[] { "a", null, "b" }));
        Assert.That(outcomes[1].Error, Is.TypeOf<InferenceException>().With.Message.EqualTo("The model does not understand 'nonsense'.")
            .And.Property(nameof(InferenceException.ErrorType)).EqualTo("System.ArgumentException")
            .And.Property(nameof(InferenceException.Trace)).Contains(nameof(FakeModelHandler)));
    }

    [Test]
    public async Task Arguments_reach_the_model_and_more_requests_than_the_limits_wait()
    {
        using var folder = new TemporaryFolder();
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var client = await worker.ConnectAsync(SharedModels.Of(sharing => sharing with { MaxRequestsPerHost = 3, MaxRequestsPerWorker = 5 }));
        var args = new InferenceArgs { ["greeting"] = "hello" };
        var metrics = new InferenceMetrics("test");
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => client.PredictAsync([i % 2 == 0 ? "arg greeting" : "slow x"], args, metrics, CancellationToken.None)));
        Assert.That(outcomes.Select((outcome, i) => outcome[0].Value.Text), Is.EqualTo(Enumerable.Range(0, 50).Select(i => i % 2 == 0 ? "hello" : "x")));
    }

    [Test]
    public async Task The_option_model_copies_overrides_the_handler()
    {
        using var folder = new TemporaryFolder();
        var options = PipelineOptions.Parse(["--model_copies=2"], typeof(InferenceOptions));
        await using var worker = new TestWorker(folder.Path, "worker-1", options);
        await worker.ConnectAsync(new FakeModelHandler { Shared = false });
        Assert.That(Hosts.Of(folder.Path).Count(record => record.IsReady), Is.EqualTo(2));
    }

    [Test]
    public async Task Without_sharing_the_model_is_loaded_once_in_the_worker_itself()
    {
        using var folder = new TemporaryFolder();
        var log = Path.Combine(folder.Path, "loads");
        await using var worker = new TestWorker(folder.Path, "worker-1");
        var handler = new FakeModelHandler { Shared = false, LoadLog = log };
        var clients = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => worker.ConnectAsync(handler)));
        foreach (var client in clients) Assert.That((await FailoverTests.AskAsync(client, "echo x")).ProcessId, Is.EqualTo(Environment.ProcessId));
        Assert.That(await File.ReadAllLinesAsync(log), Has.Length.EqualTo(1));
    }
}
