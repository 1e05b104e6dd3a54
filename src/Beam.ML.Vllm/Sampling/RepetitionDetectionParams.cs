namespace Beam.ML.Vllm.Sampling;

/// <summary>When an output that goes round in circles is ended: vLLM's <c>repetition_detection</c>.</summary>
/// <param name="MaxPatternSize"><c>max_pattern_size</c>: the longest pattern looked for, in tokens; 0 for none, at most <see cref="MaxSize"/>.</param>
/// <param name="MinPatternSize"><c>min_pattern_size</c>: the shortest; 0 stands for 1. At most <paramref name="MaxPatternSize"/>.</param>
/// <param name="MinCount"><c>min_count</c>: how often a pattern must stand at the output's end, one right after another; at least 2.</param>
public sealed record RepetitionDetectionParams(int MaxPatternSize, int MinPatternSize = 0, int MinCount = 0)
{
    /// <summary>The most that <see cref="MaxPatternSize"/> may be: each token is compared with as many before it.</summary>
    public const int MaxSize = 1024;

    internal string? Error() =>
        MaxPatternSize < 0 || MinPatternSize < 0 || MinPatternSize > MaxPatternSize
            ? $"repetition_detection: max_pattern_size and min_pattern_size must be >= 0, with min_pattern_size <= max_pattern_size, got {MaxPatternSize} and {MinPatternSize}."
        : MaxPatternSize > MaxSize ? $"repetition_detection: max_pattern_size must be at most {MaxSize}, got {MaxPatternSize}."
        : MaxPatternSize > 0 && MinCount < 2 ? $"repetition_detection: min_count must be >= 2, got {MinCount}."
        : null;
}
