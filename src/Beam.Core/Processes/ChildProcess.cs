using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Beam.Processes;

/// <summary>
/// A process that runs an <see cref="IProcessEntry"/> and cannot outlive this one: its standard input is a lifeline that the operating
/// system cuts when this process ends, however it ends.
/// </summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly Task _output;

    private ChildProcess(Process process, string name, Task output)
    {
        _process = process;
        _output = output;
        Name = name;
        Id = process.Id;
        Exited = WaitForExitAsync();
    }

    /// <summary>What the process is called in messages.</summary>
    public string Name { get; }

    /// <summary>The operating system's process id.</summary>
    public int Id { get; }

    /// <summary>Completes with the exit code when the process has ended and its output was handed over.</summary>
    public Task<int> Exited { get; }

    /// <summary>Starts a process that runs <typeparamref name="TEntry"/>.</summary>
    /// <exception cref="BeamException">Beam.Worker.dll is not beside the program's assemblies, or there is no dotnet to run it.</exception>
    public static ChildProcess Start<TEntry>(ChildProcessOptions options) where TEntry : IProcessEntry, new()
    {
        var start = ChildProcessHost.Command();
        start.UseShellExecute = false;
        start.CreateNoWindow = true;
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = options.StandardOutput is not null;
        start.RedirectStandardError = options.StandardError is not null;
        if (start.RedirectStandardOutput) start.StandardOutputEncoding = Encoding.UTF8;
        if (start.RedirectStandardError) start.StandardErrorEncoding = Encoding.UTF8;
        start.ArgumentList.Add(ChildProcessMain.EntryName(typeof(TEntry)));
        foreach (var argument in options.Arguments) start.ArgumentList.Add(argument);
        foreach (var (name, value) in options.Environment)
        {
            if (value is null) start.Environment.Remove(name);
            else start.Environment[name] = value;
        }

        var process = Start(start, options.Name);
        var output = Task.WhenAll(
            options.StandardOutput is { } stdout ? ReadLinesAsync(process.StandardOutput, stdout) : Task.CompletedTask,
            options.StandardError is { } stderr ? ReadLinesAsync(process.StandardError, stderr) : Task.CompletedTask);
        return new ChildProcess(process, options.Name, output);
    }

    /// <summary>Ends the process at once. Does nothing if it has ended already.</summary>
    public void Kill()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    /// <summary>Asks the process to stop, and ends it when <paramref name="grace"/> has passed.</summary>
    public async Task StopAsync(TimeSpan grace)
    {
        if (!Exited.IsCompleted)
        {
            try
            {
                await _process.StandardInput.WriteLineAsync(ChildProcessMain.StopCommand);
                await _process.StandardInput.FlushAsync();
                await Exited.WaitAsync(grace);
                return;
            }
            catch (Exception e) when (e is TimeoutException or IOException or ObjectDisposedException)
            {
                Kill();
            }
        }

        await Exited;
    }

    /// <summary>Ends the process if it still runs, and releases what belongs to it.</summary>
    public async ValueTask DisposeAsync()
    {
        Kill();
        await Exited;
        _process.Dispose();
    }

    private static Process Start(ProcessStartInfo start, string name)
    {
        try
        {
            return Process.Start(start) ?? throw new InvalidOperationException($"The process {name} did not start.");
        }
        catch (Win32Exception e)
        {
            throw new BeamException(
                $"'{start.FileName}' cannot be started, so there is no process for {name}: {e.Message}. " +
                "Set DOTNET_HOST_PATH to a dotnet executable, or run with --direct_running_mode=in_memory.", e);
        }
    }

    private async Task<int> WaitForExitAsync()
    {
        await _process.WaitForExitAsync();
        // A grandchild may still hold the pipes; nobody waits for it.
        try
        {
            await _output.WaitAsync(OutputGrace);
        }
        catch (TimeoutException)
        {
        }

        return _process.ExitCode;
    }

    private static async Task ReadLinesAsync(StreamReader reader, Action<string> onLine)
    {
        try
        {
            while (await reader.ReadLineAsync() is { } line) onLine(line);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The pipe went with the process.
        }
    }
}
