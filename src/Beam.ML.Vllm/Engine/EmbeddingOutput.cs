using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>What a prompt's embedding is made of.</summary>
public sealed record PoolingParams
{
    /// <summary>Scale the embedding to length 1; true by default.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>Keep only so many of the prompt's last tokens; -1 for as many as the model's context holds; null (all) by default.</summary>
    public int? TruncatePromptTokens { get; init; }

    /// <summary>As <see cref="SamplingParams.CacheSalt"/>.</summary>
    public string? CacheSalt { get; init; }

    internal void Validate()
    {
        if (CacheSalt is not (null or { Length: >= 1 and <= SamplingParams.MaxCacheSaltCharacters }))
            throw new InvalidRequestException($"cache_salt must have 1 to {SamplingParams.MaxCacheSaltCharacters} characters, got {CacheSalt.Length}.") { Field = "cache_salt" };
        if (TruncatePromptTokens is not (null or -1 or >= 1))
            throw new InvalidRequestException($"truncate_prompt_tokens must be -1 or at least 1, got {TruncatePromptTokens}.");
    }
}

/// <summary>A prompt's embedding.</summary>
public sealed record EmbeddingOutput
{
    /// <summary>The request's id.</summary>
    public required string RequestId { get; init; }

    /// <summary>The prompt as the model sees it.</summary>
    public required IReadOnlyList<int> PromptTokenIds { get; init; }

    /// <summary>As many numbers as the model's hidden states have.</summary>
    public required ReadOnlyMemory<float> Embedding { get; init; }

    /// <summary>Times and counts.</summary>
    public required RequestMetrics Metrics { get; init; }
}
