using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Beam.Processes;

namespace Beam.Runner.Direct.Tests.Processes;

public sealed class ChildProcessTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Test]
    public async Task A_child_gets_its_arguments_and_secrets_and_its_exit_code_comes_back()
    {
        var output = new ConcurrentQueue<string>();
        var error = new ConcurrentQueue<string>();
        await using var child = ChildProcess.Start<EchoEntry>(new ChildProcessOptions
        {
            Name = "echo",
            Arguments = ["42", "two words", "--flag=\"x\""],
            Environment = new Dictionary<string, string?> { ["TEST_SECRET"] = "s3cret" },
            StandardOutput = output.Enqueue,
            StandardError = error.Enqueue,
        });

        Assert.That(await child.Exited.WaitAsync(Patience), Is.EqualTo(42));
        Assert.That(output, Is.EqualTo(new[] { "arguments: 42|two words|--flag=\"x\"" }));
        Assert.That(error, Is.EqualTo(new[] { "secret: s3cret" }));
    }

    [Test]
    public async Task A_child_that_is_asked_to_stop_ends_by_itself()
    {
        await using var child = await StartAsync<WaitingEntry>();
        await child.StopAsync(Patience);
        Assert.That(await child.Exited, Is.EqualTo(7));
    }

    [Test]
    public async Task A_child_that_does_not_stop_is_killed()
    {
        await using var child = await StartAsync<StubbornEntry>();
        await child.StopAsync(TimeSpan.FromMilliseconds(50));
        Assert.That(await child.Exited, Is.Not.Zero);
    }

    [Test]
    public async Task A_grandchild_dies_when_its_parent_is_killed()
    {
        var line = new TaskCompletionSource<string>();
        await using var parent = ChildProcess.Start<ParentEntry>(new ChildProcessOptions { Name = "parent", StandardOutput = text => line.TrySetResult(text) });
        var grandchild = int.Parse(await line.Task.WaitAsync(Patience), CultureInfo.InvariantCulture);
        Process process;
        try
        {
            process = Process.GetProcessById(grandchild);
        }
        catch (ArgumentException)
        {
            Assert.Fail("The grandchild should run while its parent does.");
            return;
        }

        using (process)
        {
            parent.Kill();
            using var timeout = new CancellationTokenSource(Patience);
            await process.WaitForExitAsync(timeout.Token);
            Assert.That(process.HasExited);
        }
    }

    [TestCase("Beam.Runner.Direct.Tests.Processes.ChildProcessTests, Beam.Runner.Direct.Tests", "does not|not a public class")]
    [TestCase("No.Such.Type, Beam.Runner.Direct.Tests", "has no type 'No.Such.Type'")]
    [TestCase("X, No.Such.Assembly", "'No.Such.Assembly' is not one of this program's")]
    [TestCase("nonsense", "does not name a type and its assembly")]
    public void Only_entries_of_the_programs_own_assemblies_are_started(string entry, string message) =>
        Assert.That(() => ChildProcessMain.CreateEntry(entry), Throws.ArgumentException.With.Message.Match(message));

    private static async Task<ChildProcess> StartAsync<TEntry>() where TEntry : IProcessEntry, new()
    {
        var ready = new TaskCompletionSource();
        var child = ChildProcess.Start<TEntry>(new ChildProcessOptions { Name = typeof(TEntry).Name, StandardOutput = _ => ready.TrySetResult() });
        await ready.Task.WaitAsync(Patience);
        return child;
    }
}
