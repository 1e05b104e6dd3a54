namespace Beam.ML.Vllm.Sampling;

/// <summary>Log probabilities at one position, by token id and without text.</summary>
/// <param name="TokenId">The token that stands there.</param>
/// <param name="Value">Its natural logarithm of probability.</param>
/// <param name="Rank">1 for the likeliest token, 2 for the next …; of equals the lower id comes first.</param>
/// <param name="TopIds">The tokens asked for: the likeliest, best first, or those that the request names.</param>
/// <param name="TopValues">Their log probabilities.</param>
/// <param name="TopRanks">Their ranks; null for 1, 2, 3 …</param>
internal sealed record LogprobsRow(int TokenId, float Value, int Rank, int[] TopIds, float[] TopValues, int[]? TopRanks = null);
