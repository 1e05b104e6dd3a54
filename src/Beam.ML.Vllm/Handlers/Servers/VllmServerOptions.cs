using Beam.ML.Vllm.Arguments;

namespace Beam.ML.Vllm;

/// <summary>
/// A server that answers instead of this library's engine: one that runs already, of any OpenAI-compatible kind (<see cref="At(Uri)"/>), or a
/// vLLM of the worker's machine that is started for the job and ends with it (<see cref="Start"/>).
/// </summary>
public sealed record VllmServerOptions
{
    /// <summary>The arguments that the handler itself gives a server that it starts.</summary>
    private static readonly string[] OwnArguments = ["model", "host", "port", "uds", "api_key"];

    // An array: it travels with the handler.
    private static readonly string[] DefaultCommand = ["python", "-m", "vllm.entrypoints.openai.api_server"];

    private VllmServerOptions()
    {
    }

    /// <summary>The server's address, such as <c>http://host:8000/v1</c>; null for one that is started.</summary>
    public Uri? Url { get; private init; }

    /// <summary>
    /// The command that starts a server, to which its arguments are added. By default vLLM's own:
    /// <c>python -m vllm.entrypoints.openai.api_server</c>.
    /// </summary>
    public IReadOnlyList<string> Command { get; init; } = DefaultCommand;

    /// <summary>Arguments of a server that is started (Beam's <c>vllm_server_kwargs</c>): names with <c>-</c> or <c>_</c>; null for a flag.</summary>
    public IReadOnlyDictionary<string, object?> Arguments { get; init; } = new Dictionary<string, object?>();

    /// <summary>Environment variables for a server that is started, besides the worker's own.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The name that requests give the model; the handler's by default.</summary>
    public string? ServedModelName { get; init; }

    /// <summary>The bearer token of requests; it travels with the pipeline. A server that is started gets one of its own if there is none here.</summary>
    public string? ApiKey { get; init; }

    /// <summary>For how long a server may start until it answers; 10 minutes by default.</summary>
    public TimeSpan ReadinessTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often in a row a server that ended is started again; 3 by default. One that answers begins anew.</summary>
    public int MaxRestarts { get; init; } = 3;

    /// <summary>Requests under way at a time, from each process that asks; others wait. 256 by default.</summary>
    public int MaxConcurrentRequests { get; init; } = 256;

    /// <summary>How often a request is tried again that met a broken connection, 429 or 5xx; 5 by default, with growing pauses.</summary>
    public int MaxRetries { get; init; } = 5;

    /// <summary>How long one request may take; 10 minutes by default.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The server listens on a Unix socket (<c>--uds</c>, in newer versions of vLLM) instead of a port.</summary>
    public bool UseUnixSocket { get; init; }

    /// <summary>A server that runs already.</summary>
    /// <param name="url">Its address, with the path that all of its endpoints share: <c>http://host:8000/v1</c>. Without a path it is <c>/v1</c>.</param>
    public static VllmServerOptions At(Uri url) => new() { Url = url };

    /// <inheritdoc cref="At(Uri)"/>
    public static VllmServerOptions At(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var parsed) ? At(parsed) : throw new ArgumentException($"'{url}' is no URL; an example is http://host:8000/v1.");

    /// <summary>A vLLM that is started on the worker's machine, once for all of its processes, and ends with them.</summary>
    public static VllmServerOptions Start() => new();

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is out of its range; the message names it.</exception>
    public void Validate()
    {
        Require(Url is null || Url.Scheme is "http" or "https", $"The server's URL must begin with http:// or https://, got {Url}.");
        Require(Command.Count > 0 && Command.All(word => word.Length > 0), "The command that starts a server cannot be empty.");
        Require(IsTimeout(ReadinessTimeout), $"The readiness time-out must be positive and at most 24 days, or infinite, got {ReadinessTimeout}.");
        Require(IsTimeout(RequestTimeout), $"The time-out of requests must be positive and at most 24 days, or infinite, got {RequestTimeout}.");
        Require(MaxRestarts >= 0, $"The number of restarts cannot be negative, got {MaxRestarts}.");
        Require(MaxRetries >= 0, $"The number of retries cannot be negative, got {MaxRetries}.");
        Require(MaxConcurrentRequests >= 1, $"The number of concurrent requests must be at least 1, got {MaxConcurrentRequests}.");
        Require(ApiKey is not { Length: 0 }, "The API key cannot be empty.");
        Require(Url is null || Arguments.Count == 0, "Arguments are for servers that are started; one that runs has its own.");
        var own = Arguments.Keys.FirstOrDefault(name => OwnArguments.Contains(EngineArguments.Normalize(name)));
        Require(own is null, $"The argument '{own}' is the handler's to give.");

        // Timers take no more milliseconds than an int has.
        static bool IsTimeout(TimeSpan time) => time == Timeout.InfiniteTimeSpan || (time > TimeSpan.Zero && time <= TimeSpan.FromDays(24));

        static void Require(bool holds, string message)
        {
            if (!holds) throw new ArgumentException(message);
        }
    }
}
