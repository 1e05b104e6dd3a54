using System.Diagnostics;
using System.Text.Json;

namespace Beam.Benchmarks.Engine;

/// <summary>llama.cpp in a process of its own (<c>bench/llama-cpp/llama.mjs</c>), driven by lines of JSON.</summary>
internal sealed class LlamaCppProcess : IAsyncDisposable
{
    private readonly Process _process;

    private LlamaCppProcess(Process process) => _process = process;

    /// <summary>Why it cannot run here; null if it can.</summary>
    public static string? Missing(string folder)
    {
        if (!File.Exists(Path.Combine(folder, "node_modules", "node-llama-cpp", "package.json")))
            return $"llama.cpp is not there; run `npm ci --omit=optional --ignore-scripts` in {folder}.";
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

    public static LlamaCppProcess Start(string folder)
    {
        var start = new ProcessStartInfo("node") { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add("llama.mjs");
        return new LlamaCppProcess(Process.Start(start)!);
    }

    public async Task<JsonElement> AskAsync(object request, CancellationToken cancellationToken = default)
    {
        await _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(request).AsMemory(), cancellationToken);
        await _process.StandardInput.FlushAsync(cancellationToken);
        var line = await _process.StandardOutput.ReadLineAsync(cancellationToken) ?? throw new InvalidOperationException("llama.cpp's process has ended.");
        var answer = JsonSerializer.Deserialize<JsonElement>(line);
        return answer.TryGetProperty("error", out var error) ? throw new InvalidOperationException($"llama.cpp: {error}") : answer;
    }

    /// <param name="path">A GGUF file.</param>
    /// <param name="threads">Threads that compute.</param>
    /// <param name="streams">Sequences that the context has room for.</param>
    /// <param name="contextSize">Tokens of all of them.</param>
    /// <param name="exact">Keep keys and values as floats, where llama.cpp's default is half of that.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public Task LoadAsync(string path, int threads, int streams, int contextSize, bool exact = false, CancellationToken cancellationToken = default) =>
        AskAsync(new { operation = "load", path, threads, streams, contextSize, exact }, cancellationToken);

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
