using System.Text.Json;

namespace Beam.ML.Vllm.Sampling;

/// <summary>Whole numbers of JSON, which may be written as 2.0 or 1e3: some clients have no others.</summary>
internal static class WholeNumber
{
    /// <exception cref="InvalidOperationException">It is no number.</exception>
    /// <exception cref="FormatException">It is a number with a fraction, or one that has more bits.</exception>
    public static int ToInt32(this JsonElement number) => number.TryToInt32(out var value) ? value : throw new FormatException("It is no whole number of 32 bits.");

    /// <inheritdoc cref="ToInt32"/>
    public static bool TryToInt32(this JsonElement number, out int value)
    {
        if (number.TryGetInt32(out value)) return true;
        var isWhole = number.TryGetDouble(out var real) && real == Math.Floor(real) && real is >= int.MinValue and <= int.MaxValue;
        if (isWhole) value = (int)real;
        return isWhole;
    }
}
