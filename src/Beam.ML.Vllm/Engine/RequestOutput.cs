using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>What a request has come to so far, or in the end.</summary>
public sealed record RequestOutput
{
    /// <summary>The request's id.</summary>
    public required string RequestId { get; init; }

    /// <summary>The prompt as text, where it was given as text.</summary>
    public string? Prompt { get; init; }

    /// <summary>The prompt as the model sees it.</summary>
    public required IReadOnlyList<int> PromptTokenIds { get; init; }

    /// <summary>
    /// Log probabilities of the prompt's tokens, if they were asked for: one entry a token, the first null, since nothing comes before it.
    /// Every output has them; with <see cref="Sampling.OutputKind.Delta"/> the first alone.
    /// </summary>
    public IReadOnlyList<PositionLogprobs?>? PromptLogprobs { get; init; }

    /// <summary>
    /// The completions, in the order of their index: all <c>n</c> of them, or with <see cref="Sampling.OutputKind.Delta"/> those that have
    /// something new. There is always one.
    /// </summary>
    public required IReadOnlyList<CompletionOutput> Outputs { get; init; }

    /// <summary>Whether this is the request's last output.</summary>
    public required bool Finished { get; init; }

    /// <summary>Times and counts up to now.</summary>
    public required RequestMetrics Metrics { get; init; }

    /// <summary>The text of the first completion in <see cref="Outputs"/>.</summary>
    public string Text => Outputs[0].Text;

    /// <summary>The tokens of the first completion.</summary>
    public IReadOnlyList<int> TokenIds => Outputs[0].TokenIds;

    /// <summary>Why the first completion ended.</summary>
    public string? FinishReason => Outputs[0].FinishReason;

    /// <summary>What stopped the first completion.</summary>
    public object? StopReason => Outputs[0].StopReason;
}

/// <summary>One completion of a prompt.</summary>
/// <param name="Index">Its number among the request's completions.</param>
/// <param name="Text">All text, or what is new, as <see cref="Sampling.OutputKind"/> says.</param>
/// <param name="TokenIds">All tokens, or the new ones; an end-of-sequence token is one of them.</param>
/// <param name="FinishReason"><c>stop</c>, <c>length</c>, <c>repetition</c> or <c>abort</c>; null while it goes on.</param>
/// <param name="StopReason">The stop string, or the id of the stop token, that ended it (<c>repetition_detected</c> for a repetition); null for the model's own end of sequence.</param>
public sealed record CompletionOutput(int Index, string Text, IReadOnlyList<int> TokenIds, string? FinishReason, object? StopReason)
{
    /// <summary>The id of the stop token that ended it; null if none did, or the model's own end of sequence.</summary>
    public int? StopTokenId => StopReason as int?;

    /// <summary>The stop string that ended it; null if none did.</summary>
    public string? StopString => FinishReason == "stop" ? StopReason as string : null;

    /// <summary>Log probabilities of <see cref="TokenIds"/>, one entry a token; null if they were not asked for.</summary>
    public IReadOnlyList<PositionLogprobs>? Logprobs { get; init; }

    /// <summary>The sum of the log probabilities of all tokens so far; null if they were not asked for.</summary>
    public double? CumulativeLogprob { get; init; }
}

/// <summary>A request's times and counts.</summary>
public sealed record RequestMetrics
{
    /// <summary>When the engine was given the request.</summary>
    public required DateTimeOffset ArrivalTime { get; init; }

    /// <summary>From arrival to the first step that computed some of it; null while it waits.</summary>
    public TimeSpan? QueueTime { get; init; }

    /// <summary>From arrival to the first token.</summary>
    public TimeSpan? TimeToFirstToken { get; init; }

    /// <summary>From arrival to now, or to the end.</summary>
    public TimeSpan TotalTime { get; init; }

    /// <summary>Tokens of the prompt.</summary>
    public int PromptTokens { get; init; }

    /// <summary>Tokens of the prompt that were found in the prefix cache.</summary>
    public int CachedTokens { get; init; }

    /// <summary>Tokens generated, of all completions together.</summary>
    public int OutputTokens { get; init; }

    /// <summary>How often the request was preempted.</summary>
    public int Preemptions { get; init; }

    /// <summary>Steps that computed some of it.</summary>
    public int Steps { get; init; }

    /// <summary>Requests in those steps, on average.</summary>
    public double MeanBatchSize { get; init; }
}
