using System.CommandLine;
using System.Globalization;
using System.Net;
using Beam.Cli.Hosting;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server;
using Microsoft.Extensions.Logging;

namespace Beam.Cli.Engine.Serve;

/// <summary><c>beam engine serve MODEL</c>: an OpenAI-compatible server, with vLLM's arguments.</summary>
internal static class ServeCommand
{
    public static Command Create(CliHost host)
    {
        var model = new Argument<string?>("MODEL") { Arity = ArgumentArity.ZeroOrOne, Description = "A checkpoint folder, or a hub id that is in the local Hugging Face cache." };
        // What is not known is told with what was probably meant.
        var rest = new Argument<string[]>("rest") { Arity = ArgumentArity.ZeroOrMore, Hidden = true };
        var command = new Command("serve", "Serve a model over HTTP to clients of OpenAI's API. The arguments are vLLM's.") { model, rest };
        ServerArguments serverArguments = new();
        EngineArgumentOptions engineArguments = new();
        serverArguments.AddTo(command);
        engineArguments.AddTo(command, unlisted: "model");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var alone = parsed.GetValue(model);
            if (alone?.StartsWith('-') == true) throw new UsageException(EngineArgumentOptions.Explain(alone, command));
            if (parsed.GetValue(rest) is [var unknown, ..]) throw new UsageException(EngineArgumentOptions.Explain(unknown, command));
            var engineOptions = engineArguments.Read(parsed, new EngineOptions { Model = engineArguments.Model(parsed, alone) });
            using var loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Warning)
                .AddFilter(OpenAIServer.AccessLogCategory, serverArguments.LogsRequests(parsed) ? LogLevel.Information : LogLevel.None)
                .AddFilter(OpenAIServer.StatsLogCategory, LogLevel.Information)
                // The host logs what it also throws, which the tool writes in a line of its own.
                .AddFilter("Microsoft.Extensions.Hosting", host.ShowsStackTraces ? LogLevel.Warning : LogLevel.None).AddProvider(new ErrorLog(host.Error)));
            var serverOptions = serverArguments.Read(parsed, engineArguments.ServedModelNames(parsed)) with { LoggerFactory = loggers };
            Check(serverOptions);
            await using var engine = await LoadingNotice.ShowAsync(host, engineOptions.Model, () => LlmEngine.LoadAsync(engineOptions, cancellationToken));
            await using var server = await OpenAIServer.StartAsync(engine, serverOptions, cancellationToken);
            if (engineOptions.MaxModelLength is null) await WarnOfShortLengthAsync(host, engine);
            await AnnounceAsync(host, engine, engineOptions, server, serverOptions);
            return await RunAsync(host, engine, server, serverOptions.ShutdownGrace, cancellationToken);
        });
        return command;
    }

    private static void Check(ServerOptions options)
    {
        try
        {
            options.Validate();
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static async Task WarnOfShortLengthAsync(CliHost host, LlmEngine engine)
    {
        if (engine.MaxModelLength >= engine.ModelMaxLength) return;
        await host.Error.WriteLineAsync(
            $"beam: warning: the cache holds no more than {engine.MaxModelLength} of the {engine.ModelMaxLength} tokens that the model was made for; --gpu-memory-utilization or --kv-cache-dtype int8_per_token_head give it more.");
    }

    private static async Task AnnounceAsync(CliHost host, LlmEngine engine, EngineOptions engineOptions, OpenAIServer server, ServerOptions options)
    {
        if (server.Address is { } address && options.ApiKeys.Count == 0 && IPAddress.TryParse(options.Host, out var ip) && !IPAddress.IsLoopback(ip))
            await host.Error.WriteLineAsync($"beam: warning: anyone who reaches {address} may use the model; ask for a key with --api-key or VLLM_API_KEY.");
        await host.Error.WriteLineAsync(Summary(engine, engineOptions));
        var name = options.ServedModelNames.Count > 0 ? options.ServedModelNames[0] : engine.ModelName;
        await host.Output.WriteLineAsync($"Serving {name} (max_model_len {engine.MaxModelLength}) at {server.Address?.ToString() ?? $"unix:{server.UnixSocketPath}"}");
        await host.Output.FlushAsync();
    }

    /// <summary>What a report about speed or memory must say of the engine.</summary>
    private static string Summary(LlmEngine engine, EngineOptions options)
    {
        var stats = engine.Stats;
        return string.Create(CultureInfo.InvariantCulture,
            $"beam: dtype {Name(options.Dtype)}, quantization {options.Quantization ?? "as in the checkpoint"}, weights {stats.WeightBytes / (double)(1 << 20):0.#} MiB, "
            + $"{Name(stats.MatrixKernels)} kernels, {options.Threads} threads, KV cache {Name(options.KvCacheDtype)} with {stats.KvCacheBlocks} blocks for "
            + $"{(long)stats.KvCacheBlocks * options.BlockSize} tokens, max_model_len {engine.MaxModelLength}, speculative decoding {options.SpeculativeConfig?.Method ?? "off"}");

        static string Name<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();
    }

    private static async Task<int> RunAsync(CliHost host, LlmEngine engine, OpenAIServer server, TimeSpan grace, CancellationToken cancellationToken)
    {
        try
        {
            await engine.Stopped.WaitAsync(cancellationToken);
            await host.Error.WriteLineAsync("beam: the engine has stopped after an error; the log above says which.");
            return ExitCode.Failure;
        }
        catch (OperationCanceledException)
        {
            using var now = new CancellationTokenSource();
            using var again = host.Interrupts.Handle(() =>
            {
                now.Cancel();
                return true;
            });
            if (server.ActiveRequests is > 0 and var active)
                await host.Error.WriteLineAsync($"beam: stopping; waiting up to {grace.TotalSeconds:0} s for {active} {(active == 1 ? "request" : "requests")}, Ctrl-C again to stop now");
            await server.StopAsync(now.Token);
            return ExitCode.Success;
        }
    }
}
