namespace Beam.Examples.Nexmark;

/// <summary>What to run on which events.</summary>
public sealed class NexmarkOptions : PipelineOptionsGroup
{
    [Option("query", "The query: 1, 2, 5, 7, 8 or 11.")]
    public int Query { get; set; } = 5;

    [Option("input", "Events, one JSON object a line: a path or pattern.")]
    public string Input { get; set; } = Path.Combine(AppContext.BaseDirectory, "data", "events.jsonl.gz");

    [Option("output", "What the names of the result's files begin with.")]
    public string Output { get; set; } = "output/nexmark";
}
