using System.Runtime.InteropServices;

namespace Beam;

/// <summary>
/// A program that is a pipeline: reads the options, builds, runs and waits. An error that the user can mend is one line; the stack trace
/// comes with <c>--verbose</c>.
/// </summary>
public static class BeamApp
{
    /// <summary>What <see cref="RunAsync(string[], Action{Pipeline})"/> returns when the job was cancelled, as shells have it for Ctrl-C.</summary>
    public const int CancelledExitCode = 130;

    /// <summary>Runs the pipeline that <paramref name="build"/> builds.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="build">Adds the transforms.</param>
    /// <returns>The exit code: 0 if the job succeeded, 1 if anything failed, 130 if it was cancelled.</returns>
    public static Task<int> RunAsync(string[] args, Action<Pipeline> build) =>
        RunAsync<StandardOptions>(args, (pipeline, _) => build(pipeline));

    /// <summary>Runs the pipeline that <paramref name="build"/> builds, with options of the program's own.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="build">Adds the transforms.</param>
    /// <param name="finished">Called with the result of a job that succeeded, and the program's options.</param>
    /// <param name="defaults">Changes the defaults of options, before the command line is read.</param>
    /// <typeparam name="TOptions">The program's options.</typeparam>
    /// <returns>The exit code: 0 if the job succeeded, 1 if anything failed, 130 if it was cancelled.</returns>
    public static async Task<int> RunAsync<TOptions>(
        string[] args, Action<Pipeline, TOptions> build, Action<PipelineResult, TOptions>? finished = null, IReadOnlyList<string>? defaults = null)
        where TOptions : PipelineOptionsGroup, new()
    {
        var verbose = args.Any(a => a is "--verbose" or "--verbose=true");
        // Not disposed: a signal's handler may come to it when all is over.
        var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            if (args.Any(a => a is "--help" or "-h" or "-?"))
            {
                Console.Out.Write(PipelineOptions.Help(defaults ?? [], typeof(TOptions)));
                return 0;
            }

            // A later value of an option wins, so the command line overrides the program's defaults.
            var options = PipelineOptions.Parse([.. defaults ?? [], .. args], typeof(TOptions));
            var pipeline = Pipeline.Create(options);
            build(pipeline, options.As<TOptions>());
            await using var result = await pipeline.RunAsync(stop.Token);
            if (result.State is PipelineState.Cancelled)
            {
                await Console.Error.WriteLineAsync("The job was cancelled.");
                return CancelledExitCode;
            }

            finished?.Invoke(result, options.As<TOptions>());
            return 0;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("The job was cancelled.");
            return CancelledExitCode;
        }
#pragma warning disable CA1031 // The program's last word: whatever went wrong becomes a message and an exit code.
        catch (Exception e)
#pragma warning restore CA1031
        {
            await Console.Error.WriteLineAsync(verbose ? e.ToString() : $"error: {ErrorLine.Of(e)}");
            return 1;
        }

        // The first signal cancels the job, and the program ends by itself; the second ends it as signals do.
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
    }
}
