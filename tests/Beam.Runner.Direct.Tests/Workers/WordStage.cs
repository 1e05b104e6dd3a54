using Beam.Runner.Direct.Engine;
using TestElements = Beam.Runner.Direct.Tests.Engine.Elements;

namespace Beam.Runner.Direct.Tests.Workers;

/// <summary>A stage from words to words.</summary>
internal static class WordStage
{
    public static readonly ExecutableStage Stage = new(1, "stage")
    {
        Environment = "env",
        DescriptorId = "stage-1",
        Input = TestElements.Words,
        SourceTransformId = "source",
        Sinks = new Dictionary<string, Dataset> { ["sink"] = TestElements.Words },
        SideInputs = [],
    };
}
