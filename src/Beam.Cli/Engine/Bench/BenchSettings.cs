namespace Beam.Cli.Engine.Bench;

/// <summary>What is measured of an engine.</summary>
[Flags]
internal enum BenchParts
{
    /// <summary>Decode and prefill, beside what the machine can do at best.</summary>
    Speed = 1,

    /// <summary>The skewed workload, in four ways of batching.</summary>
    Skewed = 2,

    /// <summary>From a fresh process to the first token.</summary>
    Start = 4,

    All = Speed | Skewed | Start,
}

/// <summary>How much is measured, and how often.</summary>
internal sealed record BenchSettings
{
    public BenchParts Parts { get; init; } = BenchParts.All;

    /// <summary>Runs of each measurement; they take turns, so that a busy machine shows in all.</summary>
    public int Repeats { get; init; } = 3;

    /// <summary>Requests of the skewed workload.</summary>
    public int Prompts { get; init; } = 64;

    /// <summary>Runs of the skewed workload, which takes longer than all else: half as many as of the others if not given.</summary>
    public int? SkewedRepeats { get; init; }

    /// <summary>Requests that decode at a time.</summary>
    public IReadOnlyList<int> Streams { get; init; } = [1, 8, 16, 32];

    /// <summary>Tokens that each of them makes: more of fewer and in smaller models, for the time to be long enough to measure.</summary>
    public static int OutputTokens(int streams, ModelSize size) => 1 + (Math.Clamp(64 / streams, 12, 32) * (size.DecodeWeights < 50_000_000 ? 8 : 1));

    public int PrefillTokens { get; init; } = 512;
}
