using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>The angles per position that rope_parameters stand for.</summary>
/// <param name="Inverse">Radians per position, one for each pair of features.</param>
/// <param name="Scale">What cosines and sines are multiplied by.</param>
internal sealed record RotaryFrequencies(float[] Inverse, float Scale)
{
    public static RotaryFrequencies Compute(ModelConfig config, RopeParameters rope, int headSize, int maxModelLength)
    {
        var rotated = (int)(headSize * rope.PartialRotaryFactor);
        if (rotated % 2 != 0 || headSize % 2 != 0 || rotated < 2 || rotated > headSize)
            throw config.Wrong("head_dim", $"is {headSize}, of which {rotated} features turn; it must be an even number of at least 2, at most all");
        return rope.Type switch
        {
            "default" => new RotaryFrequencies(Plain(rope.Theta, rotated), 1),
            "linear" => new RotaryFrequencies([.. Plain(rope.Theta, rotated).Select(f => f / rope.Factor)], 1),
            "llama3" => new RotaryFrequencies([.. Plain(rope.Theta, rotated).Select(f => Llama3(f, rope))], 1),
            "proportional" => Proportional(rope, headSize, rotated),
            "yarn" => Yarn(rope, rotated),
            "longrope" or "su" => LongRope(config, rope, rotated, maxModelLength),
            _ => throw config.Wrong("rope scaling", $"is of type '{rope.Type}'; known are default, linear, llama3, longrope, proportional and yarn"),
        };
    }

    private static float[] Plain(float theta, int rotated)
    {
        var frequencies = new float[rotated / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = 1 / MathF.Pow(theta, 2f * i / rotated);
        return frequencies;
    }

    /// <summary>Long wavelengths are stretched by the factor, short ones kept, those between blended.</summary>
    private static float Llama3(float frequency, RopeParameters rope)
    {
        var wavelength = 2 * MathF.PI / frequency;
        if (wavelength < rope.OriginalMaxPositions / rope.HighFrequencyFactor) return frequency;
        if (wavelength > rope.OriginalMaxPositions / rope.LowFrequencyFactor) return frequency / rope.Factor;
        var smooth = ((rope.OriginalMaxPositions / wavelength) - rope.LowFrequencyFactor) / (rope.HighFrequencyFactor - rope.LowFrequencyFactor);
        return ((1 - smooth) * frequency / rope.Factor) + (smooth * frequency);
    }

    /// <summary>The first part of a head's pairs turns, at the speeds that it has in a head that turns whole; the others stand still.</summary>
    private static RotaryFrequencies Proportional(RopeParameters rope, int headSize, int rotated)
    {
        var frequencies = Plain(rope.Theta, headSize);
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = i < rotated / 2 ? frequencies[i] / rope.Factor : 0;
        return new RotaryFrequencies(frequencies, 1);
    }

    /// <summary>Features that turn often within the original length are kept, those that turn seldom are stretched, with a ramp between.</summary>
    private static RotaryFrequencies Yarn(RopeParameters rope, int rotated)
    {
        float low = Feature(rope.BetaFast), high = Feature(rope.BetaSlow);
        if (rope.Truncate) (low, high) = (MathF.Floor(low), MathF.Ceiling(high));
        (low, high) = (MathF.Max(low, 0), MathF.Min(high, rotated - 1));
        if (low == high) high += 0.001f;
        var frequencies = Plain(rope.Theta, rotated);
        for (var i = 0; i < frequencies.Length; i++)
        {
            var stretched = Math.Clamp((i - low) / (high - low), 0, 1);
            frequencies[i] = (frequencies[i] / rope.Factor * stretched) + (frequencies[i] * (1 - stretched));
        }

        return new RotaryFrequencies(frequencies, rope.AttentionFactor ?? (rope.Factor <= 1 ? 1 : (0.1f * MathF.Log(rope.Factor)) + 1));

        float Feature(float turns) => rotated * MathF.Log(rope.OriginalMaxPositions / (turns * 2 * MathF.PI)) / (2 * MathF.Log(rope.Theta));
    }

    /// <summary>Divisors that were searched for; which of the two lists counts is settled once, by the longest sequence allowed.</summary>
    private static RotaryFrequencies LongRope(ModelConfig config, RopeParameters rope, int rotated, int maxModelLength)
    {
        var (divisors, name) = maxModelLength > rope.OriginalMaxPositions ? (rope.LongFactors, "long_factor") : (rope.ShortFactors, "short_factor");
        var frequencies = Plain(rope.Theta, rotated);
        if (divisors.Length != frequencies.Length) throw config.Wrong(name, $"has {divisors.Length} numbers for {frequencies.Length} pairs of features");
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] /= divisors[i];
        var longer = config.MaxPositions / rope.OriginalMaxPositions;
        var scale = rope.AttentionFactor ?? (longer <= 1 ? 1 : MathF.Sqrt(1 + (MathF.Log(longer) / MathF.Log(rope.OriginalMaxPositions))));
        return new RotaryFrequencies(frequencies, scale);
    }
}
