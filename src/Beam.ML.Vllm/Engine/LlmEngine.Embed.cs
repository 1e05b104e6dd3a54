using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Engine;

/// <summary>Embeddings: requests that end with their prompt.</summary>
public sealed partial class LlmEngine
{
    /// <summary>
    /// Embeds a text: the hidden state of its last token after the model's last norm, scaled to length 1 unless the parameters say otherwise.
    /// That is what vLLM gives for a decoder model that it serves as an embedding model (pooling type LAST, normalized); how well it tells
    /// texts apart is up to the model. Requests are batched with all others and read the prefix cache; the outcome does not depend on either.
    /// </summary>
    /// <param name="prompt">The text; the tokenizer's special tokens, such as a beginning of sequence, are added. It may fill the context.</param>
    /// <param name="parameters">What the embedding is made of; the defaults if null.</param>
    /// <param name="requestId">An id that no live request has; one is made if null.</param>
    /// <param name="priority">Lower is served first, under the priority policy.</param>
    /// <param name="lora">The adapter to embed it with; null for the model itself.</param>
    /// <param name="cancellationToken">Aborts the request.</param>
    /// <exception cref="InvalidRequestException">The request cannot be served as it is.</exception>
    /// <exception cref="RequestFailedException">The request was aborted by its id.</exception>
    /// <exception cref="EngineDeadException">The engine has stopped.</exception>
    public Task<EmbeddingOutput> EmbedAsync(
        string prompt,
        PoolingParams? parameters = null,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default)
    {
        var own = parameters ?? new PoolingParams();
        return PoolAsync(() => Encode(prompt, own.TruncatePromptTokens), prompt, own, requestId, priority, lora, cancellationToken);
    }

    /// <summary>As the other overload, for a prompt that is tokens already; nothing is added to them.</summary>
    /// <inheritdoc cref="EmbedAsync(string, PoolingParams?, string?, int, LoraRequest?, CancellationToken)"/>
    public Task<EmbeddingOutput> EmbedAsync(
        ReadOnlyMemory<int> promptTokenIds,
        PoolingParams? parameters = null,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default) =>
        PoolAsync(() => promptTokenIds, prompt: null, parameters ?? new PoolingParams(), requestId, priority, lora, cancellationToken);

    private async Task<EmbeddingOutput> PoolAsync(
        Func<ReadOnlyMemory<int>> encode,
        string? prompt,
        PoolingParams parameters,
        string? requestId,
        int priority,
        LoraRequest? lora,
        CancellationToken cancellationToken)
    {
        RequestGroup? request = null;
        var output = await LastAsync(StreamAsync(
            adapter => request = _inputs.Pooling(encode().Span, prompt, parameters, requestId, priority, adapter), requestId, priority, lora, cancellationToken));
        var pooled = request!.Output.Pooled ?? throw new RequestFailedException($"Request {request.RequestId} was aborted before it had an embedding.");
        if (parameters.Normalize) Normalize(pooled);
        return new EmbeddingOutput { RequestId = request.RequestId, PromptTokenIds = output.PromptTokenIds, Embedding = pooled, Metrics = output.Metrics };
    }

    private static void Normalize(Span<float> vector)
    {
        var squares = 0.0;
        foreach (var value in vector) squares += (double)value * value;
        var length = Math.Max(Math.Sqrt(squares), 1e-12);
        foreach (ref var value in vector) value = (float)(value / length);
    }
}
