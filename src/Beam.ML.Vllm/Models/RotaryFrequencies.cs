using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>The angles per position that rope_parameters stand for.</summary>
/// <param name="Inverse">Radians per position, one for each pair of features.</param>
/// <param name="Scale">What cosines and sines are multiplied by.</param>
internal sealed record RotaryFrequencies(float[] Inverse, float Scale)
{
    /// <param name="config">Where the parameters come from.</param>
    /// <param name="rope">The parameters.</param>
    /// <param name="headSize">Features of a head.</param>
    /// <param name="maxModelLength">
    /// The longest sequence allowed. Kinds of scaling that depend on a length depend on this one, for short sequences too: keys that are
    /// in the cache cannot turn anew when a sequence grows.
    /// </param>
    public static RotaryFrequencies Compute(ModelConfig config, RopeParameters rope, int headSize, int maxModelLength)
    {
        var rotated = (int)(headSize * rope.PartialRotaryFactor);
        if (rotated % 2 != 0 || headSize % 2 != 0 || rotated < 2 || rotated > headSize)
            throw config.Wrong("head_dim", $"is {headSize}, of which {rotated} features turn; it must be an even number of at least 2, at most all");
        return rope.Type switch
        {
            "default" => new RotaryFrequencies(Plain(rope.Theta, rotated), 1),
            "linear" => new RotaryFrequencies(Linear(rope.Theta, rotated, Factor(config, rope)), 1),
            "dynamic" => new RotaryFrequencies(Plain(DynamicTheta(config, rope, rotated, maxModelLength), rotated), 1),
            "llama3" => new RotaryFrequencies(Llama3(rope, rotated, Factor(config, rope)), 1),
            "proportional" => Proportional(rope, headSize, rotated),
            "yarn" => Yarn(config, rope, rotated),
            "longrope" or "su" => LongRope(config, rope, rotated, maxModelLength),
            _ => throw config.Wrong("rope scaling", $"is of type '{rope.Type}'; known are default, dynamic, linear, llama3, longrope, proportional and yarn"),
        };
    }

    /// <summary>
    /// The longest sequence that a model was made for: what its positions are stretched to, where config.json gives the length before
    /// (vLLM's rule). Where only some layers are stretched, as in Gemma 3, the length is that after.
    /// </summary>
    public static int MaxLength(ModelConfig config)
    {
        var rope = config.Rope();
        var length = rope.Type switch
        {
            _ when config.HasRopeForEachLayerType => config.MaxPositions,
            "linear" or "dynamic" => config.MaxPositions * (double)(rope.Factor ?? 1),
            "yarn" => Math.Max(rope.OriginalMaxPositions * (double)(rope.Factor ?? 1), config.MaxPositions),
            _ => config.MaxPositions,
        };
        return (int)Math.Clamp(length, 1, 1 << 24);
    }

    private static float Factor(ModelConfig config, RopeParameters rope) =>
        rope.Factor ?? throw config.Wrong("factor", $"is missing from the parameters of rope type {rope.Type}");

    private static float[] Plain(float theta, int rotated)
    {
        var frequencies = new float[rotated / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = 1 / MathF.Pow(theta, 2f * i / rotated);
        return frequencies;
    }

    private static float[] Linear(float theta, int rotated, float factor) => [.. Plain(theta, rotated).Select(f => f / factor)];

    /// <summary>The base grows with the length, so that the slowest pair turns as far as it did at the length that the model was trained for.</summary>
    private static float DynamicTheta(ModelConfig config, RopeParameters rope, int rotated, int maxModelLength)
    {
        var factor = Factor(config, rope);
        if (maxModelLength <= config.MaxPositions || rotated == 2) return rope.Theta;
        var stretch = (factor * maxModelLength / config.MaxPositions) - (factor - 1);
        return rope.Theta * MathF.Pow(stretch, rotated / (rotated - 2f));
    }

    /// <summary>Long wavelengths are stretched by the factor, short ones kept, those between blended.</summary>
    private static float[] Llama3(RopeParameters rope, int rotated, float factor)
    {
        return [.. Plain(rope.Theta, rotated).Select(Scaled)];

        float Scaled(float frequency)
        {
            var wavelength = 2 * MathF.PI / frequency;
            if (wavelength < rope.OriginalMaxPositions / rope.HighFrequencyFactor) return frequency;
            if (wavelength > rope.OriginalMaxPositions / rope.LowFrequencyFactor) return frequency / factor;
            var smooth = ((rope.OriginalMaxPositions / wavelength) - rope.LowFrequencyFactor) / (rope.HighFrequencyFactor - rope.LowFrequencyFactor);
            return ((1 - smooth) * frequency / factor) + (smooth * frequency);
        }
    }

    /// <summary>The first part of a head's pairs turns, at the speeds that it has in a head that turns whole; the others stand still.</summary>
    private static RotaryFrequencies Proportional(RopeParameters rope, int headSize, int rotated)
    {
        var frequencies = Plain(rope.Theta, headSize);
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = i < rotated / 2 ? frequencies[i] / (rope.Factor ?? 1) : 0;
        return new RotaryFrequencies(frequencies, 1);
    }

    /// <summary>Features that turn often within the original length are kept, those that turn seldom are stretched, with a ramp between.</summary>
    private static RotaryFrequencies Yarn(ModelConfig config, RopeParameters rope, int rotated)
    {
        var factor = rope.Factor ?? (config.MaxPositions / rope.OriginalMaxPositions);
        float low = Feature(rope.BetaFast), high = Feature(rope.BetaSlow);
        if (rope.Truncate) (low, high) = (MathF.Floor(low), MathF.Ceiling(high));
        (low, high) = (MathF.Max(low, 0), MathF.Min(high, rotated - 1));
        if (low == high) high += 0.001f;
        var frequencies = Plain(rope.Theta, rotated);
        for (var i = 0; i < frequencies.Length; i++)
        {
            var stretched = Math.Clamp((i - low) / (high - low), 0, 1);
            frequencies[i] = (frequencies[i] / factor * stretched) + (frequencies[i] * (1 - stretched));
        }

        var scale = rope.AttentionFactor ?? (rope is { Mscale: { } slope, MscaleAllDim: { } ofAll } ? Sharpened(slope) / Sharpened(ofAll) : Sharpened(1));
        return new RotaryFrequencies(frequencies, scale);

        float Feature(float turns) => rotated * MathF.Log(rope.OriginalMaxPositions / (turns * 2 * MathF.PI)) / (2 * MathF.Log(rope.Theta));

        float Sharpened(float slope) => factor <= 1 ? 1 : (0.1f * slope * MathF.Log(factor)) + 1;
    }

    /// <summary>Divisors that were searched for; which of the two lists counts is settled once, by the longest sequence allowed.</summary>
    private static RotaryFrequencies LongRope(ModelConfig config, RopeParameters rope, int rotated, int maxModelLength)
    {
        var (divisors, name) = maxModelLength > rope.OriginalMaxPositions ? (rope.LongFactors, "long_factor") : (rope.ShortFactors, "short_factor");
        var frequencies = Plain(rope.Theta, rotated);
        if (divisors.Length != frequencies.Length) throw config.Wrong(name, $"has {divisors.Length} numbers for {frequencies.Length} pairs of features");
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] /= divisors[i];

        // How much longer sequences have become: by the two lengths if the file gives both, otherwise by the factor.
        var longer = config.MaxPositions / rope.OriginalMaxPositions;
        if (longer <= 1) longer = rope.Factor ?? 1;
        var scale = rope.AttentionFactor ?? (longer <= 1 ? 1 : MathF.Sqrt(1 + (MathF.Log(longer) / MathF.Log(rope.OriginalMaxPositions))));
        return new RotaryFrequencies(frequencies, scale);
    }
}
