using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>A line for each request that was answered: who, what, how it ended, how long it took and what it cost.</summary>
internal sealed partial class AccessLog(ILogger logger)
{
    private const int ClientClosedRequest = 499;
    private const int MaxPath = 200, MaxName = 64, MaxNames = 256;

    // Asked for every few seconds by whoever watches over the server.
    private static readonly string[] Probes = ["/health", "/ping", "/metrics", "/load"];

    private readonly HashSet<string> _told = new(StringComparer.Ordinal);

    public void Write(HttpContext http, RequestTrace trace)
    {
        var status = trace.IsAborted ? ClientClosedRequest : http.Response.StatusCode;
        if (!logger.IsEnabled(LogLevel.Information) || (status < 400 && Probes.Contains(http.Request.Path.Value))) return;
        // As it was sent, in ASCII: a path cannot make lines of its own.
        var path = http.Request.Path.ToUriComponent();
        var tokens = trace.Usage is { } usage ? string.Create(CultureInfo.InvariantCulture, $", {usage.PromptTokens} prompt + {usage.CompletionTokens} output tokens") : "";
        var seconds = trace.Elapsed.TotalSeconds.ToString("0.000", CultureInfo.InvariantCulture);
        LogRequest(logger, http.Connection.RemoteIpAddress?.ToString() ?? "unix", http.Request.Method, path.Length <= MaxPath ? path : path[..MaxPath] + "…", status, seconds, tokens, Ignored(trace));
    }

    /// <summary>Fields without effect, each name once in the server's life: a client that sends one sends it always.</summary>
    private string Ignored(RequestTrace trace)
    {
        if (trace.Ignored.Count == 0) return "";
        lock (_told)
        {
            var names = trace.Ignored.Where(name => _told.Count < MaxNames && name.Length <= MaxName && _told.Add(name)).Select(Printable).ToArray();
            return names.Length == 0 ? "" : $"; without effect here: {string.Join(", ", names)}";
        }
    }

    private static string Printable(string name) => string.Concat(name.Select(c => char.IsControl(c) ? '?' : c));

    [LoggerMessage(Level = LogLevel.Information, Message = "{Client} {Method} {Path} {Status} in {Seconds} s{Tokens}{Ignored}")]
    private static partial void LogRequest(ILogger logger, string client, string method, string path, int status, string seconds, string tokens, string ignored);
}
