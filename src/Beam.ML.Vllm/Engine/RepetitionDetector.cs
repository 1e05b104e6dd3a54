using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Finds out whether an output goes round in circles, token by token. A text repeats with a period as long as each token equals the one a
/// period before it; how long that has been so is kept for each period, so that a token costs one comparison a period.
/// </summary>
internal sealed class RepetitionDetector(RepetitionDetectionParams parameters)
{
    private readonly int _smallest = Math.Max(1, parameters.MinPatternSize);
    private int[]? _runs;
    private int _seen;

    /// <summary>Takes the output so far, of which it has seen all but the last tokens. Returns whether it ends with a pattern as often as it takes.</summary>
    public bool Accept(ReadOnlySpan<int> output)
    {
        var runs = _runs ??= new int[parameters.MaxPatternSize - _smallest + 1];
        var found = false;
        for (; _seen < output.Length; _seen++)
        {
            found = false;
            var token = output[_seen];
            for (var size = _smallest; size <= parameters.MaxPatternSize && size <= _seen; size++)
            {
                ref var run = ref runs[size - _smallest];
                run = output[_seen - size] == token ? run + 1 : 0;

                // The first of the pattern's occurrences has nothing to be equal to.
                found |= run >= (parameters.MinCount - 1L) * size;
            }
        }

        return found;
    }
}
