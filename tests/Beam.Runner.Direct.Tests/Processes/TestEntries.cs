using System.Globalization;
using Beam.Processes;

namespace Beam.Runner.Direct.Tests.Processes;

/// <summary>Prints its arguments and a variable, and returns the number in its first argument.</summary>
public sealed class EchoEntry : IProcessEntry
{
    public Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        Console.WriteLine($"arguments: {string.Join('|', args)}");
        Console.Error.WriteLine($"secret: {Environment.GetEnvironmentVariable("TEST_SECRET")}");
        return Task.FromResult(int.Parse(args[0], CultureInfo.InvariantCulture));
    }
}

/// <summary>Says that it is ready, and waits until it is asked to stop.</summary>
public sealed class WaitingEntry : IProcessEntry
{
    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        Console.WriteLine("ready");
        await Task.Delay(Timeout.Infinite, cancellationToken).ContinueWith(_ => { }, TaskScheduler.Default);
        return 7;
    }
}

/// <summary>Ignores being asked.</summary>
public sealed class StubbornEntry : IProcessEntry
{
    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        Console.WriteLine("ready");
        await Task.Delay(Timeout.Infinite, CancellationToken.None);
        return 0;
    }
}

/// <summary>Starts a child of its own, prints its id and waits.</summary>
public sealed class ParentEntry : IProcessEntry
{
    public async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        var ready = new TaskCompletionSource();
        await using var child = ChildProcess.Start<StubbornEntry>(new ChildProcessOptions
        {
            Name = "grandchild",
            StandardOutput = _ => ready.TrySetResult(),
        });
        await ready.Task;
        Console.WriteLine(child.Id.ToString(CultureInfo.InvariantCulture));
        await Task.Delay(Timeout.Infinite, CancellationToken.None);
        return 0;
    }
}
