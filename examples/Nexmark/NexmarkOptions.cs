namespace Beam.Examples.Nexmark;

/// <summary>What to run on which events.</summary>
public sealed class NexmarkOptions : PipelineOptionsGroup
{
    [Option("query", "The query: 1, 2, 5, 7, 8 or 11 (default 5).")]
    public int Query { get; set; } = 5;

    [Option("input", "Events, one JSON object a line: a path or pattern (default: 20,000 events that come with the program).")]
    public string Input { get; set; } = Path.Combine(AppContext.BaseDirectory, "data", "events.jsonl.gz");

    [Option("output", "What the names of the result's files begin with (default: output/nexmark).")]
    public string Output { get; set; } = "output/nexmark";
}
