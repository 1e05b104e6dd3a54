using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Generation;

/// <summary>Has the engine answer a request, and the endpoint's format write it: at once or as a stream. A client that goes away ends it.</summary>
internal sealed class Generator(ServerContext server)
{
    /// <exception cref="ApiException">The request cannot be served as it is; nothing has been sent.</exception>
    public async Task AnswerAsync(HttpContext http, GenerationRequest request, PreparedParams prepared, IAnswerFormat format)
    {
        using var pass = server.Admission.Enter(request.Sequences);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, server.Stopping);
        if (request.Stream.Stream) await StreamAsync(http, request, prepared, format, stop);
        else await CompleteAsync(http, request, prepared, format, stop);
    }

    /// <summary>Checks a request, and does what is the same for all of its prompts.</summary>
    /// <exception cref="ApiException">The request cannot be served as it is.</exception>
    /// <exception cref="EngineDeadException">The engine serves nothing any more.</exception>
    public PreparedParams Prepare(GenerationRequest request, CancellationToken cancellationToken)
    {
        var engine = server.Engine;
        if (!engine.IsAlive) throw new EngineDeadException("The engine has stopped.");
        if (request.Priority != 0 && engine.Options.SchedulingPolicy != SchedulingPolicy.Priority)
            throw ApiException.Invalid("priority is for engines with --scheduling-policy priority; this one serves first come, first served.", "priority");
        try
        {
            foreach (var prompt in request.Prompts)
            {
                cancellationToken.ThrowIfCancellationRequested();
                RequestCheck.Check(prompt.TokenIds, engine.MaxModelLength - 1, engine);
                CheckLength(request.Parameters, prompt.TokenIds.Length);
            }

            return engine.Prepare(request.Parameters with { OutputKind = request.Stream.Stream ? OutputKind.Delta : OutputKind.FinalOnly }, cancellationToken);
        }
        catch (InvalidRequestException e)
        {
            throw request.Explain(e);
        }
    }

    private void CheckLength(SamplingParams parameters, int promptLength)
    {
        var limit = server.Engine.MaxModelLength;
        if (parameters.MaxTokens is { } maxTokens && promptLength + (long)maxTokens > limit)
        {
            throw ApiException.Invalid(
                $"This model's maximum context length is {limit} tokens. However, max_tokens is {maxTokens} and the prompt has {promptLength} tokens, " +
                $"{promptLength + (long)maxTokens} in total. Shorten the prompt, or ask for fewer tokens.", "max_tokens");
        }

        // Without max_tokens the end of the context is the end of the text.
        if (parameters.MinTokens > limit - promptLength)
        {
            throw ApiException.Invalid(
                $"min_tokens is {parameters.MinTokens}, and this model's maximum context length of {limit} tokens leaves {limit - promptLength} behind the prompt. " +
                "Shorten the prompt, or ask for fewer tokens.", "min_tokens");
        }
    }

    private async Task CompleteAsync(HttpContext http, GenerationRequest request, PreparedParams prepared, IAnswerFormat format, CancellationTokenSource stop)
    {
        var outputs = new RequestOutput[request.Prompts.Count];
        await EachPrompt.RunAsync(request.Prompts.Count, stop, async i =>
        {
            if (request.Search is { } search) outputs[i] = await SearchAsync(request, search, i, stop.Token);
            else await foreach (var output in Start(request, prepared, i, stop.Token)) outputs[i] = output;
        });
        var usage = new Usage();
        foreach (var output in outputs) usage = Add(usage, output.Metrics);
        RequestTrace.Of(http).Usage = usage;
        await JsonResponse.WriteAsync(http.Response, json => format.Write(json, outputs, usage));
    }

    private async Task StreamAsync(HttpContext http, GenerationRequest request, PreparedParams prepared, IAnswerFormat format, CancellationTokenSource stop)
    {
        using var stream = new EventStream(http.Response);
        var usage = new Usage();
        try
        {
            await EachPrompt.RunAsync(request.Prompts.Count, stop, async i =>
            {
                await foreach (var output in Start(request, prepared, i, stop.Token))
                {
                    await stream.EnterAsync(stop.Token);
                    try
                    {
                        format.WriteEvents(stream, i, output);
                        if (output.Finished) RequestTrace.Of(http).Usage = usage = Add(usage, output.Metrics);
                        await stream.FlushAsync(stop.Token);
                    }
                    finally
                    {
                        stream.Leave();
                    }
                }
            });
            if (request.Stream.IncludeUsage)
            {
                format.WriteUsage(stream.Begin(), usage);
                stream.End();
            }
        }
        catch (OperationCanceledException e) when (e is not ClientGoneException && stream.HasStarted && server.Stopping.IsCancellationRequested && !http.RequestAborted.IsCancellationRequested)
        {
            stream.Fail(ApiException.Stopping());
        }
        catch (Exception e) when (stream.HasStarted && !http.RequestAborted.IsCancellationRequested && ApiException.From(e) is { } error)
        {
            stream.Fail(error);
        }

        await stream.DoneAsync(http.RequestAborted);
    }

    private IAsyncEnumerable<RequestOutput> Start(GenerationRequest request, PreparedParams prepared, int prompt, CancellationToken cancellationToken) =>
        server.Engine.GenerateAsync(request.Prompts[prompt].TokenIds, prepared, IdOf(request, prompt), request.Priority, request.Lora, cancellationToken);

    /// <summary>The best completions of a prompt, as many as were asked for, and no more of their log probabilities than that.</summary>
    private async Task<RequestOutput> SearchAsync(GenerationRequest request, BeamSearchParams search, int prompt, CancellationToken cancellationToken)
    {
        var output = await server.Engine.BeamSearchAsync(
            request.Prompts[prompt].TokenIds, search, IdOf(request, prompt), request.Priority, request.Lora, cancellationToken);
        var top = request.Parameters.Logprobs is -1 or null ? int.MaxValue : request.Parameters.Logprobs.Value;
        return output with { Outputs = [.. output.Outputs.Take(request.Parameters.N).Select(o => o with { Logprobs = [.. o.Logprobs!.Select(p => p.Take(top))] })] };
    }

    private static string IdOf(GenerationRequest request, int prompt) => request.Prompts.Count == 1 ? request.EngineId : $"{request.EngineId}-{prompt}";

    private static Usage Add(Usage usage, RequestMetrics metrics) =>
        new(usage.PromptTokens + metrics.PromptTokens, usage.CompletionTokens + metrics.OutputTokens, usage.CachedTokens + metrics.CachedTokens);
}
