using System.CommandLine;
using Beam.Cli.Engine;
using Beam.Cli.Hosting;
using Beam.Cli.Usage;

namespace Beam.Cli;

/// <summary>The tool's commands, and what becomes of their errors.</summary>
internal static class BeamTool
{
    /// <summary>Runs one command line and returns the process's exit code, as <see cref="ExitCode"/> has them.</summary>
    public static async Task<int> RunAsync(string[] args, CliHost host)
    {
        var parsed = Create(host).Parse(args);
        if (parsed.Errors.Count > 0)
        {
            await host.Error.WriteLineAsync($"beam: {OneLine(CommandLineErrors.Describe(parsed))}");
            return ExitCode.Usage;
        }

        try
        {
            // Signals are the host's: a command may have its own idea of what an interrupt stops.
            var configuration = new InvocationConfiguration
            {
                Output = host.Output, Error = host.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null,
            };
            return await parsed.InvokeAsync(configuration, host.Interrupts.Token);
        }
        catch (OperationCanceledException) when (host.Interrupts.Token.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (UsageException e)
        {
            await host.Error.WriteLineAsync($"beam: {OneLine(TypedNames.Apply(e.Message, parsed))}");
            return ExitCode.Usage;
        }
        catch (Exception e)
        {
            // What the library throws says what was wrong and what to do; where in the code it did is for those who ask.
            await host.Error.WriteLineAsync($"beam: {OneLine(TypedNames.Apply(e.Message, parsed))}");
            if (host.ShowsStackTraces) await host.Error.WriteLineAsync(e.ToString());
            return ExitCode.Failure;
        }
    }

    private static RootCommand Create(CliHost host)
    {
        // The executable is Beam.Cli when it is not installed as a tool: usage lines are to say what people type.
        return new RootCommand("Apache Beam for .NET: the tool.") { EngineCommand.Create(host) };
    }

    private static string OneLine(string message) => message.ReplaceLineEndings(" ").Trim();
}
