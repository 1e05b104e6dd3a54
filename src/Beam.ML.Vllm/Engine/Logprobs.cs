namespace Beam.ML.Vllm.Engine;

/// <summary>Log probabilities at one position, as the model runner gives them: by token id, without text.</summary>
/// <param name="TokenId">The token that stands there.</param>
/// <param name="Value">Its natural logarithm of probability.</param>
/// <param name="Rank">1 for the likeliest token, 2 for the next …</param>
/// <param name="TopIds">The likeliest tokens, best first.</param>
/// <param name="TopValues">Their log probabilities.</param>
internal sealed record Logprobs(int TokenId, float Value, int Rank, int[] TopIds, float[] TopValues);
