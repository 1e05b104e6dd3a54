namespace Beam.Benchmarks;

/// <summary>A measurement that the README quotes.</summary>
internal interface IBenchmark
{
    /// <summary>What it is called on the command line.</summary>
    string Verb { get; }

    /// <summary>The verb that runs it together with others; its own if it stands alone.</summary>
    string Group { get; }

    /// <summary>What it measures, in a line.</summary>
    string Description { get; }

    /// <summary>Measures and prints.</summary>
    Task RunAsync(BenchmarkSettings settings);
}
