using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Beam.Cli.Hosting;
using Beam.ML.Vllm.Server;

namespace Beam.Cli.Engine.Serve;

/// <summary>The server's own arguments: vLLM's names and meanings.</summary>
internal sealed class ServerArguments
{
    private const string KeyVariable = "VLLM_API_KEY", LoraVariable = "VLLM_ALLOW_RUNTIME_LORA_UPDATING";

    private static readonly ServerOptions Default = new();

    private readonly Option<string> _host = new("--host") { Description = "The address to listen on; 0.0.0.0 for all of the machine's.", DefaultValueFactory = _ => Default.Host, HelpName = "ip" };
    private readonly Option<int> _port = new("--port") { Description = "The port to listen on; 0 for a free one.", DefaultValueFactory = _ => Default.Port, HelpName = "number" };
    private readonly Option<string?> _uds = new("--uds") { Description = "A Unix socket to listen on instead.", HelpName = "path" };
    private readonly Option<string[]> _apiKey = new("--api-key") { Description = $"Requests must carry one of these keys; {KeyVariable} is another.", AllowMultipleArgumentsPerToken = true, HelpName = "key" };
    private readonly Option<string?> _chatTemplate = new("--chat-template") { Description = "A Jinja file, or a template, to use instead of the model's own.", HelpName = "file" };
    private readonly Option<bool> _trustRequestChatTemplate = new("--trust-request-chat-template") { Description = "Let requests bring chat templates of their own." };
    private readonly Option<bool> _excludeTools = new("--exclude-tools-when-tool-choice-none") { Description = "Do not show the chat template tools that the model may not call." };
    private readonly Option<string> _responseRole = new("--response-role") { Description = "Who answers in a chat.", DefaultValueFactory = _ => Default.ResponseRole, HelpName = "role" };
    private readonly Option<string?> _toolCallParser = new("--tool-call-parser") { Description = "How the model writes calls of tools: hermes or llama3_json.", HelpName = "name" };
    private readonly Option<bool> _enableAutoToolChoice = new("--enable-auto-tool-choice") { Description = "Implied by --tool-call-parser, which it requires.", Hidden = true };
    private readonly Option<bool> _returnTokensAsTokenIds = new("--return-tokens-as-token-ids") { Description = "Write tokens in logprobs as token_id:17." };
    private readonly Option<bool> _enablePromptTokensDetails = new("--enable-prompt-tokens-details") { Description = "Tell in usage what was found in the prefix cache." };
    private readonly Option<bool> _enableForceIncludeUsage = new("--enable-force-include-usage") { Description = "Tell usage in each event of each stream, asked for or not." };
    private readonly Option<bool> _enableRequestIdHeaders = new("--enable-request-id-headers") { Description = "Answers carry the request's X-Request-Id, or one of their own." };
    private readonly Option<string?> _defaultChatTemplateKwargs = new("--default-chat-template-kwargs") { Description = "Variables of the chat template, as JSON, where a request has none of the name: {\"enable_thinking\": false}.", HelpName = "json" };
    private readonly Option<string[]> _allowedOrigins = new("--allowed-origins") { Description = "Origins whose pages may use the server from a browser.", AllowMultipleArgumentsPerToken = true, HelpName = "origin" };
    private readonly Option<string?> _certificate = new("--ssl-certfile") { Description = "Serve HTTPS with this certificate (PEM).", HelpName = "file" };
    private readonly Option<string?> _certificateKey = new("--ssl-keyfile") { Description = "The certificate's key (PEM).", HelpName = "file" };
    private readonly Option<bool> _disableLogRequests = new("--disable-log-requests") { Description = "Write no line for each request to the standard error." };

    // The other names that vLLM and its users have for it; with them all, the help would have no room for what options mean.
    private readonly Option<bool> _noAccessLog = new("--no-access-log", "--disable_log_requests", "--no-enable-log-requests", "--disable-uvicorn-access-log", "--disable_uvicorn_access_log") { Hidden = true };
    private readonly Option<bool> _disableLogStats = new("--disable-log-stats") { Description = "Write no line every 10 seconds of what the engine does." };
    private readonly Option<bool> _noLogStats = new("--disable_log_stats") { Hidden = true };
    private readonly Option<bool> _enableLogRequests = new("--enable-log-requests", "--enable_log_requests") { Description = "Requests are logged by default.", Hidden = true };
    private readonly Option<double> _shutdownTimeout = new("--shutdown-timeout") { Description = "Seconds that requests have to end when the server stops.", DefaultValueFactory = _ => Default.ShutdownGrace.TotalSeconds, HelpName = "seconds" };
    private readonly Option<int> _maxConcurrentSequences = new("--max-concurrent-sequences")
    {
        Description = "Sequences that may run and wait at a time; more get 503.", DefaultValueFactory = _ => Default.MaxConcurrentSequences, HelpName = "count",
    };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_host, _port, _uds, _apiKey, _chatTemplate, _trustRequestChatTemplate, _excludeTools, _responseRole, _toolCallParser, _enableAutoToolChoice, _returnTokensAsTokenIds,
            _enablePromptTokensDetails, _enableForceIncludeUsage, _enableRequestIdHeaders, _defaultChatTemplateKwargs, _allowedOrigins, _certificate, _certificateKey, _disableLogRequests, _noAccessLog, _disableLogStats, _noLogStats, _enableLogRequests, _shutdownTimeout, _maxConcurrentSequences]) command.Options.Add(option);
    }

    public bool LogsRequests(ParseResult parsed) => !parsed.GetValue(_disableLogRequests) && !parsed.GetValue(_noAccessLog);

    public ServerOptions Read(ParseResult parsed, IReadOnlyList<string> servedModelNames)
    {
        var keys = (parsed.GetValue(_apiKey) ?? []).ToList();
        if (Environment.GetEnvironmentVariable(KeyVariable) is { Length: > 0 } key) keys.Add(key);
        if (parsed.GetValue(_shutdownTimeout) is not (>= 0 and < 1_000_000) and var seconds) throw new UsageException($"--shutdown-timeout must be a number of seconds, got {seconds}.");
        if (parsed.GetValue(_enableAutoToolChoice) && parsed.GetValue(_toolCallParser) is null)
            throw new UsageException("--enable-auto-tool-choice requires --tool-call-parser: hermes or llama3_json, as the model writes its calls.");
        if (parsed.GetValue(_uds) is not null && (Option[])[_port, _host] is var address && address.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is { } other)
            throw new UsageException($"--uds and {other.Name} exclude each other: the server listens on a socket or on an address.");
        return new ServerOptions
        {
            Host = parsed.GetValue(_host)!,
            Port = parsed.GetValue(_port),
            UnixSocketPath = parsed.GetValue(_uds),
            ApiKeys = keys,
            ServedModelNames = servedModelNames,
            ChatTemplate = parsed.GetValue(_chatTemplate),
            TrustRequestChatTemplate = parsed.GetValue(_trustRequestChatTemplate),
            ExcludeToolsWhenToolChoiceNone = parsed.GetValue(_excludeTools),
            ResponseRole = parsed.GetValue(_responseRole)!,
            StatsLogInterval = parsed.GetValue(_disableLogStats) || parsed.GetValue(_noLogStats) ? Timeout.InfiniteTimeSpan : Default.StatsLogInterval,
            ToolCallParser = parsed.GetValue(_toolCallParser),
            ReturnTokensAsTokenIds = parsed.GetValue(_returnTokensAsTokenIds),
            EnablePromptTokensDetails = parsed.GetValue(_enablePromptTokensDetails),
            EnableForceIncludeUsage = parsed.GetValue(_enableForceIncludeUsage),
            EnableRequestIdHeaders = parsed.GetValue(_enableRequestIdHeaders),
            DefaultChatTemplateKwargs = ReadVariables(parsed.GetValue(_defaultChatTemplateKwargs)),
            AllowedOrigins = parsed.GetValue(_allowedOrigins) ?? [],
            Certificate = ReadCertificate(parsed.GetValue(_certificate), parsed.GetValue(_certificateKey)),
            ShutdownGrace = TimeSpan.FromSeconds(parsed.GetValue(_shutdownTimeout)),
            AllowRuntimeLoraUpdating = Environment.GetEnvironmentVariable(LoraVariable) is "1" or "true" or "True",
            MaxConcurrentSequences = parsed.GetValue(_maxConcurrentSequences),
        };
    }

    private static Dictionary<string, JsonElement> ReadVariables(string? json)
    {
        if (json is null) return [];
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(json) ?? [];
        }
        catch (JsonException e)
        {
            throw new UsageException($"--default-chat-template-kwargs must be a JSON object: {e.Message}");
        }
    }

    private static X509Certificate2? ReadCertificate(string? certificate, string? key)
    {
        if (certificate is null) return key is null ? null : throw new UsageException("--ssl-keyfile needs --ssl-certfile.");
        try
        {
            return X509Certificate2.CreateFromPemFile(certificate, key);
        }
        catch (Exception e) when (e is CryptographicException or IOException)
        {
            throw new UsageException($"--ssl-certfile: {e.Message}");
        }
    }
}
