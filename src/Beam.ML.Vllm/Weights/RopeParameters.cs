namespace Beam.ML.Vllm.Weights;

/// <summary>How positions turn into angles.</summary>
internal sealed record RopeParameters
{
    /// <summary>The base of the frequencies.</summary>
    public required float Theta { get; init; }

    /// <summary>The kind of scaling on top; "default" is none.</summary>
    public string Type { get; init; } = "default";

    /// <summary>The part of a head that turns.</summary>
    public float PartialRotaryFactor { get; init; } = 1;

    /// <summary>How many times longer than <see cref="OriginalMaxPositions"/> sequences may be; null where the file does not say.</summary>
    public float? Factor { get; init; }

    /// <summary>The length that the model was first trained for.</summary>
    public float OriginalMaxPositions { get; init; }

    public float LowFrequencyFactor { get; init; } = 1;

    public float HighFrequencyFactor { get; init; } = 4;

    public float BetaFast { get; init; } = 32;

    public float BetaSlow { get; init; } = 1;

    /// <summary>Whether YaRN rounds the bounds of its ramp to whole features.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>What cosines and sines are multiplied by; null for what the kind of scaling makes of the factor.</summary>
    public float? AttentionFactor { get; init; }

    /// <summary>Two slopes by which YaRN's factor counts, the one over the other, in place of what it makes of the factor alone.</summary>
    public float? Mscale { get; init; }

    public float? MscaleAllDim { get; init; }

    /// <summary>A divisor for each frequency, for sequences up to, and beyond, the original length.</summary>
    public float[] ShortFactors { get; init; } = [];

    public float[] LongFactors { get; init; } = [];
}
