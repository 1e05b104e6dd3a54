using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Beam.ML.Vllm.Server;

/// <summary>How an <see cref="OpenAIServer"/> is set up. Names and meanings are those of vLLM's server arguments, but for what is said here.</summary>
public sealed record ServerOptions
{
    // Timers take no more milliseconds than an int has.
    private static readonly TimeSpan LongestTime = TimeSpan.FromDays(24);

    /// <summary><c>host</c>: an IP address or <c>localhost</c>. Unlike vLLM's, this server is for its own machine unless told otherwise: 127.0.0.1 by default.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary><c>port</c>: 8000 by default; 0 takes a free one, which <see cref="OpenAIServer.Address"/> tells.</summary>
    public int Port { get; init; } = 8000;

    /// <summary><c>uds</c>: a Unix socket to listen on instead of an address; only its owner may open it.</summary>
    public string? UnixSocketPath { get; init; }

    /// <summary>
    /// <c>api_key</c>: requests must carry one of these as a bearer token. All paths need it but <c>/health</c>, <c>/ping</c>,
    /// <c>/version</c> and <c>/metrics</c>. Anyone who reaches the server may use it if there is none.
    /// </summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary><c>served_model_name</c>: the names that requests may give the model; answers carry the first. The engine's own name by default.</summary>
    public IReadOnlyList<string> ServedModelNames { get; init; } = [];

    /// <summary>Sequences that may be in the server at a time, those that run included; requests beyond get 503 and may try again, those of more sequences than this 400. 1024 by default.</summary>
    public int MaxConcurrentSequences { get; init; } = 1024;

    /// <summary>Bytes that a request's body may have; 32 MiB by default. Longer ones get 413.</summary>
    public int MaxRequestBodySize { get; init; } = 32 << 20;

    /// <summary>Prompts in one request; 1024 by default.</summary>
    public int MaxPromptsPerRequest { get; init; } = 1024;

    /// <summary>
    /// How long requests may go on when the server is stopped: 30 seconds by default, 24 days at most, or <see cref="Timeout.InfiniteTimeSpan"/>.
    /// Those that still run then are aborted.
    /// </summary>
    public TimeSpan ShutdownGrace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary><c>chat_template</c>: a file with a Jinja template, or the template itself; the model's own by default.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>
    /// <c>trust_request_chat_template</c>: a request may bring a template of its own (<c>chat_template</c>). Templates reach nothing but the
    /// request, and their work is bounded, but that bound is seconds of a processor: false by default.
    /// </summary>
    public bool TrustRequestChatTemplate { get; init; }

    /// <summary>
    /// <c>exclude_tools_when_tool_choice_none</c>: the chat template is not shown the tools of a request whose <c>tool_choice</c> is <c>none</c>.
    /// It is by default, as in vLLM.
    /// </summary>
    public bool ExcludeToolsWhenToolChoiceNone { get; init; }

    /// <summary><c>response_role</c>: who answers in a chat; <c>assistant</c> by default.</summary>
    public string ResponseRole { get; init; } = "assistant";

    /// <summary><c>tool_call_parser</c>: how the model writes calls of tools: <c>hermes</c> or <c>llama3_json</c>. Without one, the model cannot choose by itself to call.</summary>
    public string? ToolCallParser { get; init; }

    /// <summary><c>return_tokens_as_token_ids</c>: tokens in logprobs are written as <c>token_id:17</c>.</summary>
    public bool ReturnTokensAsTokenIds { get; init; }

    /// <summary><c>enable_prompt_tokens_details</c>: usage says how many tokens of the prompt were found in the prefix cache.</summary>
    public bool EnablePromptTokensDetails { get; init; }

    /// <summary><c>enable_force_include_usage</c>: all events of all streams tell what the request has cost so far, and the last one all of it, whatever its <c>stream_options</c>.</summary>
    public bool EnableForceIncludeUsage { get; init; }

    /// <summary><c>enable_request_id_headers</c>: answers have a header <c>X-Request-Id</c>: the request's own, or a new one.</summary>
    public bool EnableRequestIdHeaders { get; init; }

    /// <summary><c>default_chat_template_kwargs</c>: variables of the chat template, where a request's <c>chat_template_kwargs</c> have none of the name.</summary>
    public IReadOnlyDictionary<string, System.Text.Json.JsonElement> DefaultChatTemplateKwargs { get; init; } = new Dictionary<string, System.Text.Json.JsonElement>();

    /// <summary><c>allowed_origins</c>: origins whose pages may use the server from a browser; <c>*</c> allows all. None by default.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    /// <summary>
    /// vLLM's <c>VLLM_ALLOW_RUNTIME_LORA_UPDATING</c>: <c>/v1/load_lora_adapter</c> and <c>/v1/unload_lora_adapter</c> are there. Whoever may
    /// use the server may then have it read any folder of the machine as an adapter: false by default.
    /// </summary>
    public bool AllowRuntimeLoraUpdating { get; init; }

    /// <summary>Serve HTTPS with this certificate.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>
    /// How often the server logs what the engine does, while it does something: every 10 seconds by default; <see cref="Timeout.InfiniteTimeSpan"/>
    /// for never (<c>disable_log_stats</c>).
    /// </summary>
    public TimeSpan StatsLogInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Where the server logs; nowhere by default. Requests, a line each, have the category <see cref="OpenAIServer.AccessLogCategory"/> and the level
    /// <see cref="LogLevel.Information"/>; what the engine does has the category <see cref="OpenAIServer.StatsLogCategory"/> and the same level.
    /// </summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is out of its range; the message names it.</exception>
    public void Validate()
    {
        Require(Port is >= 0 and <= 65535, $"port must be in [0, 65535], got {Port}.");
        Require(ApiKeys.All(key => key.Length > 0), "api_key cannot be empty.");
        Require(ServedModelNames.All(name => name.Length > 0), "served_model_name cannot be empty.");
        Require(MaxConcurrentSequences >= 1, $"The number of concurrent sequences must be at least 1, got {MaxConcurrentSequences}.");
        Require(MaxRequestBodySize is >= 1024 and <= 1 << 30, $"The limit of a request's body must be in [1 KiB, 1 GiB], got {MaxRequestBodySize}.");
        Require(MaxPromptsPerRequest >= 1, $"The number of prompts in a request must be at least 1, got {MaxPromptsPerRequest}.");
        Require(
            ShutdownGrace == Timeout.InfiniteTimeSpan || (ShutdownGrace >= TimeSpan.Zero && ShutdownGrace <= LongestTime),
            $"The grace of the shutdown must be in [0, {LongestTime.TotalDays:0} days] or infinite, got {ShutdownGrace}.");
        Require(
            StatsLogInterval == Timeout.InfiniteTimeSpan || (StatsLogInterval >= TimeSpan.FromMilliseconds(1) && StatsLogInterval <= LongestTime),
            $"The interval of the engine's log must be in [1 ms, {LongestTime.TotalDays:0} days] or infinite, got {StatsLogInterval}.");
        Require(ToolCallParser is null || Tools.ToolCallParser.Names.Contains(ToolCallParser),
            $"tool_call_parser must be one of {string.Join(", ", Tools.ToolCallParser.Names)}, got '{ToolCallParser}'.");

        static void Require(bool holds, string message)
        {
            if (!holds) throw new ArgumentException(message);
        }
    }
}
