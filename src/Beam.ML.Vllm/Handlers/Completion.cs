namespace Beam.ML.Vllm;

/// <summary>What a language model answered to a prompt.</summary>
/// <param name="Text">The answer, without special tokens.</param>
/// <param name="FinishReason"><c>stop</c> (the model, a stop string or a stop token ended it), <c>length</c> (max_tokens or the context did), <c>repetition</c> (<c>repetition_detection</c> did) or <c>abort</c>; a server may have reasons of its own.</param>
/// <param name="StopReason">The stop string, or the id of the stop token, that ended it (<c>repetition_detected</c> for a repetition); null for the model's own end of sequence.</param>
/// <param name="PromptTokens">Tokens of the prompt.</param>
/// <param name="OutputTokens">Tokens generated.</param>
/// <param name="CachedTokens">Tokens of the prompt that were found in the prefix cache.</param>
/// <param name="QueueTime">From the request's arrival at the engine to its first step.</param>
/// <param name="TimeToFirstToken">From the request's arrival at the engine to its first token.</param>
/// <param name="MeanBatchSize">Requests that the engine computed at a time, on average over the steps of this one.</param>
/// <param name="TokenIds">The tokens generated.</param>
public sealed record Completion(
    string Text, string FinishReason, string? StopReason, int PromptTokens, int OutputTokens, int CachedTokens, TimeSpan QueueTime,
    TimeSpan TimeToFirstToken, double MeanBatchSize, IReadOnlyList<int> TokenIds);
