using System.Runtime.InteropServices;
using System.Text.Json;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/v1/embeddings: the last hidden state of each input, scaled to length 1.</summary>
internal sealed class EmbeddingsEndpoint(ServerContext server) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    public async Task HandleAsync(HttpContext http)
    {
        var request = await server.ReadAsync(http, (fields, cancellationToken) => Read(http, fields, cancellationToken));
        using var pass = server.Admission.Enter(request.Prompts.Count);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, server.Stopping);
        var id = RequestIds.ForEngine(request.Id);
        var outputs = new EmbeddingOutput[request.Prompts.Count];
        await EachPrompt.RunAsync(outputs.Length, stop, async i => outputs[i] = await server.Engine.EmbedAsync(
            request.Prompts[i].TokenIds, request.Pooling, $"{id}-{i}", request.Priority, request.Lora, stop.Token));
        RequestTrace.Of(http).Usage = new Usage(outputs.Sum(output => output.PromptTokenIds.Count), 0, 0);
        await JsonResponse.WriteAsync(http.Response, json => Write(json, request, outputs));
    }

    private void Check(Request request)
    {
        try
        {
            foreach (var prompt in request.Prompts) RequestCheck.Check(prompt.TokenIds, server.Engine.MaxModelLength, server.Engine);
        }
        catch (InvalidRequestException e)
        {
            throw ApiException.Invalid(e.Message, "input", e);
        }
    }

    private Request Read(HttpContext http, JsonFields fields, CancellationToken cancellationToken)
    {
        var model = server.Models.Resolve(fields.String("model"));
        if (fields.Has("dimensions")) throw ApiException.Invalid("dimensions is not supported: the model's embeddings have one length.", "dimensions");
        var base64 = fields.String("encoding_format") switch
        {
            null or "float" => false,
            "base64" => true,
            var other => throw ApiException.Invalid($"encoding_format must be float or base64, got '{other}'.", "encoding_format"),
        };
        var prompts = fields.Has("messages")
            ? [server.Chat.Render(fields, server.Prompts, cancellationToken)]
            : server.Prompts.Read(fields, "input", server.Options.MaxPromptsPerRequest, cancellationToken);
        var request = new Request(
            RequestIds.Make(http, fields, "embd"), model, server.Models.Adapter(model), prompts.ConvertAll(prompt => server.Prompts.Truncate(prompt, fields, maxTokens: 0)),
            new PoolingParams { Normalize = fields.Bool("normalize", otherwise: true), CacheSalt = fields.String("cache_salt") }, fields.Int("priority") ?? 0, base64);
        Check(request);
        return request;
    }

    private static void Write(Utf8JsonWriter json, Request request, EmbeddingOutput[] outputs)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, request.Id);
        json.WriteString("object"u8, "list"u8);
        json.WriteNumber("created"u8, DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        json.WriteString("model"u8, request.Model);
        json.WriteStartArray("data"u8);
        for (var i = 0; i < outputs.Length; i++)
        {
            json.WriteStartObject();
            json.WriteNumber("index"u8, i);
            json.WriteString("object"u8, "embedding"u8);
            var embedding = outputs[i].Embedding.Span;
            // Four bytes each, the lowest first: what numpy makes of it on any machine that there is.
            if (request.Base64) json.WriteBase64String("embedding"u8, MemoryMarshal.AsBytes(embedding));
            else
            {
                json.WriteStartArray("embedding"u8);
                foreach (var value in embedding) json.WriteNumberValue(value);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        ChoiceJson.WriteUsage(json, new Usage(outputs.Sum(output => output.PromptTokenIds.Count), 0, 0), details: false);
        json.WriteEndObject();
    }

    private sealed record Request(string Id, string Model, LoraRequest? Lora, List<EncodedPrompt> Prompts, PoolingParams Pooling, int Priority, bool Base64);
}
