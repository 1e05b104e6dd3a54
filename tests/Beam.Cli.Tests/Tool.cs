using Beam.Cli.Hosting;

namespace Beam.Cli.Tests;

/// <summary>Runs the tool in this process.</summary>
internal static class Tool
{
    public sealed record Result(int ExitCode, string Output, string Error);

    public static string Repository { get; } = FindRepository();

    public static string TinyGemma { get; } = Path.Combine(Repository, "models", "tiny-gemma", "checkpoint");

    public static string Golden(string family) => Path.Combine(Repository, "tests", "Beam.ML.Vllm.Tests", "golden", "models", family);

    public static Task<Result> RunAsync(params string[] args) => RunAsync("", new Interrupts(), args);

    public static Task<Result> TypeAsync(string input, params string[] args) => RunAsync(input, new Interrupts(), args);

    public static async Task<Result> RunAsync(string input, Interrupts interrupts, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        using var host = new CliHost(new StringReader(input), output, error, interrupts);
        var code = await BeamTool.RunAsync(args, host);
        return new Result(code, output.ToString(), error.ToString());
    }

    private static string FindRepository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Beam.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }
}
