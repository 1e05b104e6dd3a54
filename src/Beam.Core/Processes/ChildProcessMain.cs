using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Beam.Processes;

/// <summary>What runs inside a child process: the lifeline to the parent, and the entry that the parent named.</summary>
internal static class ChildProcessMain
{
    /// <summary>The line on standard input that asks the process to stop.</summary>
    public const string StopCommand = "stop";

    /// <summary>Exit code of a process that was not started the way <see cref="ChildProcess"/> starts one.</summary>
    public const int UsageExitCode = 64;

    /// <summary>How a type is named on the command line.</summary>
    public static string EntryName(Type type) => $"{type.FullName}, {type.Assembly.GetName().Name}";

    /// <summary>Runs the entry named by the first argument with the other arguments.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length == 0 || !Console.IsInputRedirected)
        {
            await Console.Error.WriteLineAsync("Beam.Worker runs the child processes of a Beam program; it is not started by hand.");
            return UsageExitCode;
        }

        using var stop = new CancellationTokenSource();
        StartLifeline(stop);
        // Ctrl-C reaches the whole foreground group: the parent decides what it means for its children.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            Cancel(stop);
        });

        try
        {
            return await CreateEntry(args[0]).RunAsync(args[1..], stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return 0;
        }
        catch (ArgumentException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return UsageExitCode;
        }
    }

    /// <summary>Runs the entry named by the command line, and ends the process before the program's own Main begins.</summary>
    public static void RunAsStartupHook()
    {
        ChildProcessHost.RemoveStartupHook();
        // Nothing else runs yet: the main thread has nothing to do but wait.
        var exitCode = Task.Run(() => RunAsync(Environment.GetCommandLineArgs()[1..])).GetAwaiter().GetResult();
        Environment.Exit(exitCode);
    }

    /// <summary>Only public entries from the program's own assemblies are started, whatever the command line says.</summary>
    internal static IProcessEntry CreateEntry(string name)
    {
        var comma = name.LastIndexOf(',');
        if (comma <= 0) throw new ArgumentException($"'{name}' does not name a type and its assembly.");
        var (typeName, assemblyName) = (name[..comma].Trim(), name[(comma + 1)..].Trim());
        Assembly assembly;
        try
        {
            assembly = Assembly.Load(new AssemblyName(assemblyName));
        }
        catch (Exception e) when (e is IOException or BadImageFormatException)
        {
            throw new ArgumentException($"Assembly '{assemblyName}' is not one of this program's: {e.Message}", e);
        }

        var type = assembly.GetType(typeName) ?? throw new ArgumentException($"Assembly '{assemblyName}' has no type '{typeName}'.");
        if (!typeof(IProcessEntry).IsAssignableFrom(type) || type.IsAbstract || !type.IsVisible || type.GetConstructor([]) is null)
            throw new ArgumentException($"'{typeName}' is not a public class with a parameterless constructor that implements {nameof(IProcessEntry)}.");
        return (IProcessEntry)Activator.CreateInstance(type)!;
    }

    /// <summary>
    /// The parent holds the other end of standard input for as long as it lives. A thread of its own watches it, so that a starved
    /// thread pool cannot keep an orphan alive.
    /// </summary>
    private static void StartLifeline(CancellationTokenSource stop)
    {
        var thread = new Thread(() =>
        {
            try
            {
                using var reader = new StreamReader(Console.OpenStandardInput());
                while (reader.ReadLine() is { } line)
                {
                    if (line == StopCommand) ThreadPool.UnsafeQueueUserWorkItem(static s => Cancel((CancellationTokenSource)s!), stop);
                }
            }
            catch (IOException)
            {
            }

            // End of file: the parent is gone, and with it everyone who could want an answer.
            using var self = Process.GetCurrentProcess();
            self.Kill();
        })
        { IsBackground = true, Name = "lifeline" };
        thread.Start();
    }

    private static void Cancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Asked to stop while stopping.
        }
    }
}
