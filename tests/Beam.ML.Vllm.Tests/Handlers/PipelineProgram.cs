using System.Diagnostics;
using System.Globalization;
using Beam.ML.Inference;
using Beam.Processes;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Handlers;

/// <summary>Options of <see cref="PipelineProgram"/>.</summary>
public sealed class PipelineProgramOptions : PipelineOptionsGroup
{
    [Option("input", "Prompts.")]
    public string Input { get; set; } = "";

    [Option("output", "What names of files of answers begin with.")]
    public string Output { get; set; } = "";

    [Option("failures", "What names of files of failures begin with; without it, a failure fails the job.")]
    public string? Failures { get; set; }

    [Option("model", "The checkpoint.")]
    public string Model { get; set; } = "";

    [Option("max_tokens", "The longest answer.")]
    public int MaxTokens { get; set; } = 64;

    [Option("ignore_eos", "Whether all answers are of that length.")]
    public bool IgnoreEos { get; set; }
}

/// <summary>A program with a pipeline, in a process of its own, whose workers and hosts are its descendants.</summary>
public sealed class PipelineProgram : IProcessEntry
{
    public Task<int> RunAsync(string[] args, CancellationToken cancellationToken) => BeamApp.RunAsync<PipelineProgramOptions>(
        args,
        (pipeline, options) =>
        {
            var prompts = pipeline.ReadText(options.Input);
            var handler = new VllmCompletionsModelHandler(options.Model);
            InferenceArgs inferenceArgs = new() { ["max_tokens"] = options.MaxTokens, ["temperature"] = 0, ["ignore_eos"] = options.IgnoreEos };
            if (options.Failures is null)
            {
                Write(prompts.RunInference(handler, inferenceArgs), options.Output);
                return;
            }

            var (good, failed) = prompts.RunInferenceWithExceptionHandling(handler, inferenceArgs);
            Write(good, options.Output);
            failed.WriteJson(options.Failures, name: "WriteFailures");
        },
        finished: result =>
        {
            foreach (var host in result.SummarizeInference().Hosts) Console.WriteLine($"host {host}");
        },
        defaults: ["--direct_running_mode=multi_processing", "--direct_progress=off"]);

    private static void Write(PCollection<PredictionResult<string, Completion>> predictions, string output) =>
        predictions.Map(p => KV.Of(p.Example, p.Inference.Text)).WriteJson(output);
}

/// <summary>A run of <see cref="PipelineProgram"/>.</summary>
internal sealed class PipelineRun : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly System.Collections.Concurrent.ConcurrentQueue<string> output = new();
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> errors = new();
    private readonly ChildProcess process;
    private readonly HashSet<int> seen = [];

    public PipelineRun(params string[] args) => process = ChildProcess.Start<PipelineProgram>(new ChildProcessOptions
    {
        Name = "pipeline",
        Arguments = args,
        StandardOutput = output.Enqueue,
        StandardError = errors.Enqueue,
    });

    public IReadOnlyList<string> Hosts => [.. output.Where(line => line.StartsWith("host ", StringComparison.Ordinal))];

    public string Errors => string.Join('\n', errors);

    public Task<int> ExitCodeAsync() => process.Exited.WaitAsync(Patience);

    public void KillMain() => process.Kill();

    /// <summary>Waits for a host process that is not one of the given, and whose record says that it is ready.</summary>
    public async Task<int> ReadyHostAsync(params IEnumerable<int> except)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (true)
        {
            if (process.Exited.IsCompleted) Assert.Fail($"The pipeline ended with {await process.Exited} before it had a host: {Errors}");
            foreach (var id in Descendants().Where(id => !except.Contains(id)))
            {
                if (CommandLine(id) is { } line && line.Contains("ModelHostProcess", StringComparison.Ordinal) && IsReady(line, id)) return id;
            }

            await Task.Delay(20, timeout.Token);
        }
    }

    public static int ParentOf(int id) =>
        int.Parse(File.ReadAllLines($"/proc/{id}/status").First(line => line.StartsWith("PPid:", StringComparison.Ordinal))[5..], CultureInfo.InvariantCulture);

    public IReadOnlyList<int> Workers() =>
        [.. Descendants().Where(id => CommandLine(id)?.Contains("SdkWorkerEntry", StringComparison.Ordinal) == true)];

    /// <summary>All processes that were started by the run and that anybody has seen so far.</summary>
    public IReadOnlyList<int> Descendants()
    {
        var parents = new Dictionary<int, int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id)) continue;
            try
            {
                parents[id] = ParentOf(id);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Gone.
            }
        }

        var found = new List<int>();
        foreach (var id in parents.Keys)
        {
            for (var at = id; parents.TryGetValue(at, out var parent); at = parent)
            {
                if (parent == process.Id) found.Add(id);
            }
        }

        seen.UnionWith(found);
        return found;
    }

    /// <summary>Asserts that none of the processes that were seen is left.</summary>
    public async Task AssertNothingIsLeftAsync()
    {
        foreach (var id in seen)
        {
            try
            {
                using var left = Process.GetProcessById(id);
                using var timeout = new CancellationTokenSource(Patience);
                await left.WaitForExitAsync(timeout.Token);
            }
            catch (ArgumentException)
            {
                // Gone.
            }
        }
    }

    public static void Kill(int id)
    {
        using var victim = Process.GetProcessById(id);
        victim.Kill();
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();

    private static bool IsReady(string commandLine, int id)
    {
        var handler = commandLine.Split('\0').First(arg => arg.EndsWith("/handler", StringComparison.Ordinal));
        try
        {
            return Directory.EnumerateFiles(Path.GetDirectoryName(handler)!, "*.json").Select(File.ReadAllText).Any(record =>
                record.Contains($"\"process_id\":{id},", StringComparison.Ordinal) && record.Contains("\"is_ready\":true", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static string? CommandLine(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/cmdline");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
