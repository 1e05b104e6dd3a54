using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace Beam.ML.Vllm.Server.Tests;

/// <summary>OpenAI's own client: processes of interop/client.mjs on node.</summary>
internal static class OpenAIClient
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly string Interop = Path.Combine(AppContext.BaseDirectory, "interop");
    private static readonly Lazy<Task<string?>> Missing = new(InstallAsync);

    /// <summary>Skips the test where node, npm or the package cannot be had.</summary>
    public static async Task RequireAsync()
    {
        if (await Missing.Value is { } reason) Assert.Ignore(reason);
    }

    public static async Task<JsonElement> CallAsync(TestServer server, string name)
    {
        var (code, output, error) = await RunAsync(new ProcessStartInfo("node", [Path.Combine(Interop, "client.mjs"), new Uri(server.Server.Address!, "/v1").ToString(), name]));
        Assert.That(code, Is.Zero, error);
        return TestServer.Parse(output);
    }

    private static async Task<string?> InstallAsync()
    {
        // npm writes this file last.
        if (File.Exists(Path.Combine(Interop, "node_modules", ".package-lock.json"))) return null;
        try
        {
            var npm = OperatingSystem.IsWindows() ? "npm.cmd" : "npm";
            var (code, output, error) = await RunAsync(new ProcessStartInfo(npm, ["ci", "--no-audit", "--no-fund", "--ignore-scripts"]) { WorkingDirectory = Interop });
            return code == 0 ? null : $"npm could not install openai: {output}{error}";
        }
        catch (Win32Exception e)
        {
            return $"node and npm are not installed: {e.Message}";
        }
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        start.StandardOutputEncoding = Encoding.UTF8;
        using var process = Process.Start(start)!;
        using var timeout = new CancellationTokenSource(Patience);
        try
        {
            var error = process.StandardError.ReadToEndAsync(timeout.Token);
            var output = await process.StandardOutput.ReadToEndAsync(timeout.Token);
            await process.WaitForExitAsync(timeout.Token);
            return (process.ExitCode, output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            return (-1, "", $"{start.FileName} did not end within {Patience}.");
        }
    }
}
