using System.Diagnostics;
using System.Text.Json;

namespace Beam.Benchmarks.Engine;

/// <summary>A library of others in a process of its own (<c>bench/peers</c>), driven by lines of JSON.</summary>
internal sealed class PeerProcess : IAsyncDisposable
{
    public const string Llama = "node-llama-cpp", Tokenizers = "@anush008/tokenizers";

    private readonly Process _process;

    private PeerProcess(Process process) => _process = process;

    /// <summary>Why it cannot run here; null if it can.</summary>
    public static string? Missing(string folder, string package)
    {
        if (!File.Exists(Path.Combine(folder, "node_modules", package, "package.json")))
            return $"{package} is not there; run `npm install --omit=optional --ignore-scripts` in {folder}.";
        try
        {
            using var node = Process.Start(new ProcessStartInfo("node", "--version") { RedirectStandardOutput = true })!;
            node.WaitForExit();
            return node.ExitCode == 0 ? null : "node does not run.";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "node is not there.";
        }
    }

    public static PeerProcess Start(string folder, string script)
    {
        var start = new ProcessStartInfo("node") { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(script);
        return new PeerProcess(Process.Start(start)!);
    }

    public async Task<JsonElement> AskAsync(object request, CancellationToken cancellationToken = default)
    {
        await _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(request).AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
        var line = await _process.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("The peer's process has ended.");
        var answer = JsonSerializer.Deserialize<JsonElement>(line);
        return answer.TryGetProperty("error", out var error) ? throw new InvalidOperationException($"The peer failed: {error}") : answer;
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }
}
