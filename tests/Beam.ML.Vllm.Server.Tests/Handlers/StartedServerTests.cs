using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Beam.ML.Inference;
using Beam.Processes;

namespace Beam.ML.Vllm.Server.Tests.Handlers;

/// <summary>Handlers that start a server, which a script plays.</summary>
public sealed class StartedServerTests
{
    private static readonly InferenceArgs Greedy = new() { ["max_tokens"] = 64, ["temperature"] = 0 };

    [OneTimeSetUp]
    public void Require()
    {
        if (OperatingSystem.IsWindows()) Assert.Ignore("vLLM does not run on Windows, nor does the script that plays it.");
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_server_is_started_with_its_arguments_and_ends_with_all_that_it_started(bool socket)
    {
        using var python = new FakePython();
        var options = python.Options with { UseUnixSocket = socket, Arguments = new Dictionary<string, object?> { ["max_model_len"] = 256, ["served-model-name"] = "capitals", ["enforce-eager"] = null } };
        var handler = new VllmCompletionsModelHandler(TestServer.TinyGemma, options);
        await using (var model = await handler.LoadModelAsync(default))
        {
            Assert.That((model.Name, model.MaxModelLength), Is.EqualTo(("capitals", 256)));
            Assert.That((await handler.RunInferenceAsync(TestServer.Question, model, Greedy, default)).Inference.Text, Is.EqualTo(TestServer.Answer));
            Assert.That(python.Arguments.Single(), Does.Match(socket ? "^--uds /" : "^--host 127.0.0.1 --port [0-9]+ ").And.EndsWith("--max-model-len 256 --served-model-name capitals --enforce-eager"));
            Assert.That(python.Pids, Has.Length.EqualTo(2).And.All.Matches<int>(IsAlive));
        }

        await AssertGoneAsync(python.Pids);
    }

    [Test]
    public void Timeouts_that_no_timer_has_are_refused()
    {
        foreach (var wrong in (TimeSpan[])[TimeSpan.Zero, TimeSpan.FromDays(60), TimeSpan.MaxValue])
        {
            Assert.That(() => (VllmServerOptions.Start() with { ReadinessTimeout = wrong }).Validate(), Throws.ArgumentException.With.Message.Contains("24 days"));
            Assert.That(() => (VllmServerOptions.Start() with { RequestTimeout = wrong }).Validate(), Throws.ArgumentException.With.Message.Contains("24 days"));
        }

        (VllmServerOptions.Start() with { ReadinessTimeout = Timeout.InfiniteTimeSpan, RequestTimeout = Timeout.InfiniteTimeSpan }).Validate();
    }

    [Test]
    public async Task A_server_that_is_killed_is_started_again_for_the_next_request()
    {
        using var python = new FakePython();
        var handler = new VllmCompletionsModelHandler(TestServer.TinyGemma, python.Options);
        await using var model = await handler.LoadModelAsync(default);
        for (var i = 0; i < 2; i++)
        {
            var before = python.Pids;
            Kill(before[^2]);
            Assert.That((await handler.RunInferenceAsync(TestServer.Question, model, Greedy, default)).Inference.Text, Is.EqualTo(TestServer.Answer));
            Assert.That(python.Pids, Has.Length.EqualTo(before.Length + 2));
            await AssertGoneAsync(before);
        }
    }

    [Test]
    public async Task A_server_that_does_not_start_is_given_up_with_its_last_words()
    {
        using var python = new FakePython();
        python.Do("fail");
        var handler = new VllmCompletionsModelHandler(TestServer.TinyGemma, python.Options with { MaxRestarts = 2 });
        Assert.That(() => handler.LoadModelAsync(default), Throws.TypeOf<ModelLoadException>().With.Message.Contains("exit code 3").And.Message.Contains("CUDA out of memory"));
        Assert.That(python.Pids, Has.Length.EqualTo(3));
        await AssertGoneAsync(python.Pids);
        var missing = new VllmCompletionsModelHandler("m", VllmServerOptions.Start() with { Command = ["/no/such/python"], MaxRestarts = 0 });
        Assert.That(() => missing.LoadModelAsync(default), Throws.TypeOf<ModelLoadException>().With.Message.Contains("127"));
    }

    [Test]
    public async Task A_server_that_does_not_answer_in_time_is_ended_and_given_up()
    {
        using var python = new FakePython();
        python.Do("hang");
        var handler = new VllmCompletionsModelHandler(TestServer.TinyGemma, python.Options with { ReadinessTimeout = TimeSpan.FromSeconds(1) });
        Assert.That(() => handler.LoadModelAsync(default), Throws.TypeOf<ModelLoadException>().With.Message.Contains("did not answer within 00:00:01"));
        Assert.That(python.Pids, Has.Length.EqualTo(1));
        await AssertGoneAsync(python.Pids);
    }

    [Test]
    public async Task A_server_ends_when_its_owner_is_killed()
    {
        using var python = new FakePython();
        using var owner = ChildProcessOf<ServerOwner>(python.Path);
        Assert.That(await owner.StandardOutput.ReadLineAsync(), Is.EqualTo("ready"), "The owner should have started a server.");
        Assert.That(python.Pids, Has.Length.EqualTo(2).And.All.Matches<int>(IsAlive));
        owner.Kill();
        await AssertGoneAsync(python.Pids);
    }

    private static Process ChildProcessOf<TEntry>(params string[] arguments) where TEntry : IProcessEntry, new()
    {
        var start = ChildProcessHost.Command();
        start.ArgumentList.Add(ChildProcessMain.EntryName(typeof(TEntry)));
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        return Process.Start(start)!;
    }

    private static bool IsAlive(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            // One that nobody has waited for is dead all the same.
            return !process.HasExited && !(OperatingSystem.IsLinux() && File.ReadAllText($"/proc/{pid}/stat").Split(')')[^1].StartsWith(" Z", StringComparison.Ordinal));
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or IOException)
        {
            return false;
        }
    }

    private static void Kill(int pid)
    {
        using var process = Process.GetProcessById(pid);
        process.Kill();
    }

    private static async Task AssertGoneAsync(int[] pids)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (pids.Any(IsAlive) && !patience.IsCancellationRequested) await Task.Delay(20);
        Assert.That(pids.Where(IsAlive), Is.Empty);
    }
}

/// <summary>A process that owns a started server, for as long as it lives.</summary>
public sealed class ServerOwner : IProcessEntry
{
    /// <inheritdoc/>
    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        var options = VllmServerOptions.Start() with { Command = [args[0], "-m", "vllm.entrypoints.openai.api_server"] };
        await using var model = await new VllmCompletionsModelHandler(TestServer.TinyGemma, options).LoadModelAsync(cancellationToken);
        await Console.Out.WriteLineAsync("ready");
        await Task.Delay(Timeout.Infinite, cancellationToken);
        return 0;
    }
}
