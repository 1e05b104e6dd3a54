using Beam;

[assembly: PipelineOptionsGroup(typeof(Quickstart.QuickstartOptions))]

namespace Quickstart;

/// <summary>What the program can be told, beside Beam's own options.</summary>
public sealed class QuickstartOptions : PipelineOptionsGroup
{
    [Option("input", "Text files with a prompt on each line; a pattern such as prompts/*.txt is fine.")]
    public string Input { get; set; } = Path.Combine(AppContext.BaseDirectory, "prompts.txt");

    [Option("output", "What the names of the output files begin with.")]
    public string Output { get; set; } = Path.Combine("output", "answers");

    [Option("model", "A checkpoint folder, or the id of a model in the local Hugging Face cache.")]
    public string Model { get; set; } = Path.Combine(AppContext.BaseDirectory, "models", "tiny-gemma");

    [Option("max_tokens", "The longest answer, in tokens.")]
    public int MaxTokens { get; set; } = 128;
}
