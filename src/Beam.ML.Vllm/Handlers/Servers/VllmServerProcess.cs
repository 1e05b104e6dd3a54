using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using Beam.ML.Vllm.Arguments;
using Beam.ML.Vllm.Engine;

namespace Beam.ML.Vllm;

/// <summary>
/// A server of this machine that is started when it is needed, started again when it has ended, and ended with this process. That it is
/// ours which answers is told by a key that no other knows.
/// </summary>
internal sealed class VllmServerProcess(string model, VllmServerOptions options, Action<string> onLine) : IServerSource
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstPoll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LastPoll = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan PollTimeout = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _starting = new(1, 1);
    private readonly string _key = options.ApiKey ?? Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
    private Running? _running;
    private int _failures;
    private bool _disposed;

    public async ValueTask<HttpClient> GetAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _running) is { Process.Exited.IsCompleted: false } running) return running.Client;
        await _starting.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_running is { Process.Exited.IsCompleted: false } started) return started.Client;
            var last = "";
            if (_running is { } ended)
            {
                last = Describe("ended", ended.Process);
                _failures++;
                await ended.DisposeAsync();
                _running = null;
            }

            while (_failures <= options.MaxRestarts)
            {
                try
                {
                    Volatile.Write(ref _running, await StartAsync(cancellationToken));
                    return _running.Client;
                }
                catch (StartFailedException e)
                {
                    last = e.Message;
                    _failures++;
                    // One that is too slow once is too slow again.
                    if (e.IsFinal) break;
                }
            }

            throw new EngineDeadException($"The server of {model} {last}");
        }
        finally
        {
            _starting.Release();
        }
    }

    public void Succeeded() => Volatile.Write(ref _failures, 0);

    public async ValueTask DisposeAsync()
    {
        await _starting.WaitAsync();
        try
        {
            _disposed = true;
            if (_running is { } running) await running.DisposeAsync();
            _running = null;
        }
        finally
        {
            _starting.Release();
        }
    }

    private async Task<Running> StartAsync(CancellationToken cancellationToken)
    {
        var folder = options.UseUnixSocket ? Directory.CreateTempSubdirectory("beam-vllm-") : null;
        var socket = folder is null ? null : Path.Combine(folder.FullName, "server.sock");
        var port = folder is null ? FreePort() : 80;
        string[] address = socket is null ? ["--host", "127.0.0.1", "--port", $"{port}"] : ["--uds", socket];
        // The environment is for the owner's eyes, a command line for everyone's.
        var environment = new Dictionary<string, string>(options.Environment) { ["VLLM_API_KEY"] = _key };
        var client = ServerClients.Create(new Uri($"http://127.0.0.1:{port}"), _key, options, socket);
        Running? running = null;
        try
        {
            running = new Running(GuardedProcess.Start([.. options.Command, "--model", model, .. address, .. Arguments()], environment, Grace, onLine), client, folder);
            await WaitUntilReadyAsync(running, cancellationToken);
            return running;
        }
        catch (Exception e)
        {
            if (running is not null) await running.DisposeAsync();
            else
            {
                client.Dispose();
                folder?.Delete(recursive: true);
            }

            if (e is InvalidOperationException) throw new StartFailedException(e.Message);
            throw;
        }
    }

    private async Task WaitUntilReadyAsync(Running running, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(options.ReadinessTimeout);
        try
        {
            for (var pause = FirstPoll; ; pause = pause * 1.5 < LastPoll ? pause * 1.5 : LastPoll)
            {
                if (running.Process.Exited.IsCompleted) throw new StartFailedException(Describe("did not start; it ended", running.Process));
                if (await IsOursAsync(running.Client, patience.Token)) return;
                await Task.WhenAny(running.Process.Exited, Task.Delay(pause, patience.Token));
                patience.Token.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StartFailedException($"did not answer within {options.ReadinessTimeout}.{Said(running.Process)}") { IsFinal = true };
        }
    }

    /// <summary>Whether there is a server that wants a key and takes this one: another's would do the one or the other not.</summary>
    private async Task<bool> IsOursAsync(HttpClient client, CancellationToken cancellationToken)
    {
        return await StatusAsync(null) == HttpStatusCode.Unauthorized && await StatusAsync(_key) == HttpStatusCode.OK;

        async Task<HttpStatusCode?> StatusAsync(string? key)
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            timeout.CancelAfter(PollTimeout);
            using var request = new HttpRequestMessage(HttpMethod.Get, "models");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key ?? "none");
            try
            {
                using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
                return response.StatusCode;
            }
            catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                return null;
            }
        }
    }

    private IEnumerable<string> Arguments()
    {
        foreach (var (name, value) in options.Arguments)
        {
            yield return "--" + EngineArguments.Normalize(name).Replace('_', '-');
            if (value is null) continue;
            foreach (var word in new ArgumentValue(name, value).List) yield return word;
        }
    }

    private static string Describe(string what, GuardedProcess process) => $"{what} with exit code {process.Exited.Result}.{Said(process)}";

    private static string Said(GuardedProcess process) => process.Tail is { Length: > 0 } tail ? $" Its last words: {tail}" : " It said nothing.";

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private sealed record Running(GuardedProcess Process, HttpClient Client, DirectoryInfo? Folder) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await Process.DisposeAsync();
            if (Folder is { Exists: true }) Folder.Delete(recursive: true);
        }
    }

    private sealed class StartFailedException(string message) : Exception(message)
    {
        public bool IsFinal { get; init; }
    }
}
