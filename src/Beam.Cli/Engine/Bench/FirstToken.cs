using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Beam.Cli.Hosting;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.Cli.Engine.Bench;

/// <summary>The time from <c>new LlmEngine</c> to the first token, in a process that has done nothing else: what the JIT adds is part of it.</summary>
internal static class FirstToken
{
    /// <summary>What a fresh process runs; it prints seconds by the clock and of processors.</summary>
    public static Command CreateCommand(CliHost host)
    {
        var model = new Argument<string>("MODEL");
        var threads = new Option<int>("--num-threads");
        var command = new Command("first-token") { model, threads };
        command.Hidden = true;
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var folder = parsed.GetRequiredValue(model);
            var start = Cost.Now();
            var hasTokenizer = File.Exists(Path.Combine(folder, "tokenizer.json")) || File.Exists(Path.Combine(folder, "tokenizer.model"));
            await using var engine = new LlmEngine(new EngineOptions { Model = folder, NumThreads = parsed.GetValue(threads), SkipTokenizerInit = !hasTokenizer });
            var parameters = new SamplingParams { Temperature = 0, MaxTokens = 1 };
            if (hasTokenizer) await engine.CompleteAsync("What is the capital of France?", parameters, cancellationToken: cancellationToken);
            else await engine.CompleteAsync(new[] { 1, 2, 3, 4 }, parameters, cancellationToken: cancellationToken);
            var cost = Cost.Now() - start;
            await host.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{cost.Wall:R} {cost.Cpu:R}"));
            return ExitCode.Success;
        });
        return command;
    }

    public static async Task<Cost> InFreshProcessAsync(string folder, int threads, CancellationToken cancellationToken)
    {
        // The host of this process may be the tool, or a program that has the tool among its libraries.
        var start = new ProcessStartInfo(Dotnet()) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["exec", typeof(FirstToken).Assembly.Location, "engine", "first-token", folder, "--num-threads", threads.ToString(CultureInfo.InvariantCulture)])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var error = await process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            if ((await output).Split(' ', StringSplitOptions.TrimEntries) is [var wall, var cpu] && process.ExitCode == 0)
                return new Cost(double.Parse(wall, CultureInfo.InvariantCulture), double.Parse(cpu, CultureInfo.InvariantCulture));
            throw new InvalidOperationException($"The process that was to make a first token ended with {process.ExitCode}: {error.ReplaceLineEndings(" ")}");
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    private static string Dotnet()
    {
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") return Environment.ProcessPath!;
        var root = Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        var muxer = Path.Combine(root, OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");
        return File.Exists(muxer) ? muxer : "dotnet";
    }
}
