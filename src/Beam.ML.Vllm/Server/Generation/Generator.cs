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
    public async Task AnswerAsync(HttpContext http, GenerationRequest request, IAnswerFormat format)
    {
        Check(request);
        using var pass = server.Admission.Enter(request.Sequences);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, server.Stopping);
        if (request.Stream.Stream) await StreamAsync(http, request, format, stop);
        else await CompleteAsync(http, request, format, stop);
    }

    private void Check(GenerationRequest request)
    {
        var engine = server.Engine;
        if (!engine.IsAlive) throw new EngineDeadException("The engine has stopped.");
        if (request.Priority != 0 && engine.Options.SchedulingPolicy != SchedulingPolicy.Priority)
            throw ApiException.Invalid("priority is for engines with --scheduling-policy priority; this one serves first come, first served.", "priority");
        var parameters = request.Parameters with { OutputKind = request.Stream.Stream ? OutputKind.Delta : OutputKind.FinalOnly };
        foreach (var prompt in request.Prompts)
        {
            try
            {
                RequestCheck.Check(prompt.TokenIds, parameters, engine);
            }
            catch (InvalidRequestException e)
            {
                throw ApiException.Invalid(e.Message, request.FieldOf(e.Field), e);
            }

            if (request.Parameters.MaxTokens is { } maxTokens && prompt.TokenIds.Length + (long)maxTokens > engine.MaxModelLength)
            {
                throw ApiException.Invalid(
                    $"This model's maximum context length is {engine.MaxModelLength} tokens. However, max_tokens is {maxTokens} and the prompt has {prompt.TokenIds.Length} tokens, " +
                    $"{prompt.TokenIds.Length + (long)maxTokens} in total. Shorten the prompt, or ask for fewer tokens.", "max_tokens");
            }
        }
    }

    private async Task CompleteAsync(HttpContext http, GenerationRequest request, IAnswerFormat format, CancellationTokenSource stop)
    {
        var outputs = new RequestOutput[request.Prompts.Count];
        await ForEachPromptAsync(request, stop, async i =>
        {
            if (request.Search is { } search) outputs[i] = await SearchAsync(request, search, i, stop.Token);
            else await foreach (var output in Start(request, i, OutputKind.FinalOnly, stop.Token)) outputs[i] = output;
        });
        var usage = new Usage();
        foreach (var output in outputs) usage = Add(usage, output.Metrics);
        RequestTrace.Of(http).Usage = usage;
        await JsonResponse.WriteAsync(http.Response, json => format.Write(json, outputs, usage));
    }

    private async Task StreamAsync(HttpContext http, GenerationRequest request, IAnswerFormat format, CancellationTokenSource stop)
    {
        using var stream = new EventStream(http.Response);
        var usage = new Usage();
        try
        {
            await ForEachPromptAsync(request, stop, async i =>
            {
                await foreach (var output in Start(request, i, OutputKind.Delta, stop.Token))
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

    private IAsyncEnumerable<RequestOutput> Start(GenerationRequest request, int prompt, OutputKind kind, CancellationToken cancellationToken) =>
        server.Engine.GenerateAsync(
            request.Prompts[prompt].TokenIds, request.Parameters with { OutputKind = kind },
            IdOf(request, prompt), request.Priority, request.Lora, cancellationToken);

    /// <summary>The best completions of a prompt, as many as were asked for, and no more of their log probabilities than that.</summary>
    private async Task<RequestOutput> SearchAsync(GenerationRequest request, BeamSearchParams search, int prompt, CancellationToken cancellationToken)
    {
        var output = await server.Engine.BeamSearchAsync(
            request.Prompts[prompt].TokenIds, search, IdOf(request, prompt), request.Priority, request.Lora, cancellationToken);
        var top = request.Parameters.Logprobs is -1 or null ? int.MaxValue : request.Parameters.Logprobs.Value;
        return output with { Outputs = [.. output.Outputs.Take(request.Parameters.N).Select(o => o with { Logprobs = [.. o.Logprobs!.Select(p => p.Take(top))] })] };
    }

    private static string IdOf(GenerationRequest request, int prompt) => request.Prompts.Count == 1 ? request.Id : $"{request.Id}-{prompt}";

    /// <summary>All prompts at a time. The first that fails ends the others, and its failure is what is thrown.</summary>
    private static async Task ForEachPromptAsync(GenerationRequest request, CancellationTokenSource stop, Func<int, Task> runAsync)
    {
        if (request.Prompts.Count == 1)
        {
            await runAsync(0);
            return;
        }

        Exception? first = null;
        await Task.WhenAll(Enumerable.Range(0, request.Prompts.Count).Select(async i =>
        {
            try
            {
                await runAsync(i);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref first, e, null);
                await stop.CancelAsync();
            }
        }));
        if (first is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
    }

    private static Usage Add(Usage usage, RequestMetrics metrics) =>
        new(usage.PromptTokens + metrics.PromptTokens, usage.CompletionTokens + metrics.OutputTokens, usage.CachedTokens + metrics.CachedTokens);
}
