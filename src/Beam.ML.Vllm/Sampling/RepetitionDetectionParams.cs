namespace Beam.ML.Vllm.Sampling;

/// <summary>When an output that goes round in circles is ended: vLLM's <c>repetition_detection</c>.</summary>
/// <param name="MaxPatternSize"><c>max_pattern_size</c>: the longest pattern looked for, in tokens; 0 for none.</param>
/// <param name="MinPatternSize"><c>min_pattern_size</c>: the shortest; 0 stands for 1. At most <paramref name="MaxPatternSize"/>.</param>
/// <param name="MinCount"><c>min_count</c>: how often a pattern must stand at the output's end, one right after another; at least 2.</param>
public sealed record RepetitionDetectionParams(int MaxPatternSize, int MinPatternSize = 0, int MinCount = 0)
{
    internal string? Error() =>
        MaxPatternSize < 0 || MinPatternSize < 0 || MinPatternSize > MaxPatternSize
            ? $"repetition_detection: max_pattern_size and min_pattern_size must be >= 0, with min_pattern_size <= max_pattern_size, got {MaxPatternSize} and {MinPatternSize}."
        : MaxPatternSize > 0 && MinCount < 2 ? $"repetition_detection: min_count must be >= 2, got {MinCount}."
        : null;

    /// <summary>Whether some tokens end with a pattern as often as it takes.</summary>
    internal bool IsFoundIn(ReadOnlySpan<int> tokens)
    {
        for (var size = Math.Max(1, MinPatternSize); size <= MaxPatternSize && (long)size * MinCount <= tokens.Length; size++)
        {
            // A text that repeats with a period is equal to itself shifted by it.
            var tail = tokens[^(size * MinCount)..];
            if (tail[size..].SequenceEqual(tail[..^size])) return true;
        }

        return false;
    }
}
