namespace Beam.ML.Vllm.Sampling;

/// <summary>How a beam search goes: vLLM's <c>BeamSearchParams</c>.</summary>
public sealed record BeamSearchParams
{
    /// <summary>The widest beam: the work and the memory of a step grow with its square, whatever <c>max_logprobs</c> says.</summary>
    public const int MaxBeamWidth = 128;

    /// <summary>Texts that are kept at each step, and completions that come out, 1 to <see cref="MaxBeamWidth"/>.</summary>
    public required int BeamWidth { get; init; }

    /// <summary>The most tokens to generate, at least 1.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>Treat the model's end-of-sequence tokens as any others: every completion then has all its tokens.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>
    /// In [0, 2]; 0 by default. As in vLLM, scores are log probabilities of the model alone, so this changes none of them; it is here for
    /// requests that bring it.
    /// </summary>
    public double Temperature { get; init; }

    /// <summary>
    /// Completions are compared by their cumulative log probability divided by their length, prompt included, to this power; 1 by default.
    /// Above 1 favours longer ones, 0 compares the log probabilities as they are.
    /// </summary>
    public double LengthPenalty { get; init; } = 1;

    /// <summary>Keep the end-of-sequence token as the last of <c>TokenIds</c>; it is never part of the text.</summary>
    public bool IncludeStopStringInOutput { get; init; }

    /// <summary>As <see cref="SamplingParams.CacheSalt"/>.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is out of its range; the message names it, its range and what it was.</exception>
    public void Validate()
    {
        Require(BeamWidth >= 1, $"beam_width must be at least 1, got {BeamWidth}.");
        Require(BeamWidth <= MaxBeamWidth, $"beam_width must be at most {MaxBeamWidth}, got {BeamWidth}.");
        Require(
            CacheSalt is null or { Length: >= 1 and <= SamplingParams.MaxCacheSaltCharacters },
            $"cache_salt must have 1 to {SamplingParams.MaxCacheSaltCharacters} characters, got {CacheSalt?.Length}.");
        Require(MaxTokens >= 1, $"max_tokens must be at least 1, got {MaxTokens}.");
        Require(Temperature is >= 0 and <= 2, $"temperature must be in [0, 2], got {Temperature}.");
        Require(double.IsFinite(LengthPenalty), $"length_penalty must be a finite number, got {LengthPenalty}.");

        static void Require(bool holds, string message)
        {
            if (!holds) throw new ArgumentException(message);
        }
    }
}
