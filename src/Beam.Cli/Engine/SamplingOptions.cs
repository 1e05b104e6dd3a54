using System.CommandLine;
using Beam.Cli.Hosting;
using Beam.ML.Vllm.Sampling;

namespace Beam.Cli.Engine;

/// <summary>How tokens are chosen: vLLM's names, with dashes. What is not given is as generation_config.json says.</summary>
internal sealed class SamplingOptions
{
    private readonly Option<double?>[] _numbers =
    [
        Number("--temperature", "Randomness, 0 to 2; 0 takes the likeliest token each time."),
        Number("--top-p", "Keep the likeliest tokens whose probabilities sum up to this, in (0, 1]."),
        Number("--min-p", "Keep tokens at least this probable relative to the likeliest, in [0, 1]."),
        Number("--presence-penalty", "Above 0 discourages tokens that the answer has, in [-2, 2]."),
        Number("--frequency-penalty", "Above 0 discourages tokens by how often the answer has them, in [-2, 2]."),
        Number("--repetition-penalty", "Above 1 discourages tokens that the conversation has."),
    ];

    private readonly Option<int?>[] _counts =
    [
        new("--top-k") { Description = "Keep this many of the likeliest tokens; 0 keeps all.", HelpName = "count" },
        new("--max-tokens") { Description = "The longest answer; by default to the end of the context.", HelpName = "count" },
    ];

    private readonly Option<string[]> _stop = new("--stop") { Description = "A text that ends the answer; may be given several times.", HelpName = "text" };

    public void AddTo(Command command)
    {
        foreach (var option in (IEnumerable<Option>)[.. _numbers, .. _counts, _stop]) command.Options.Add(option);
    }

    /// <summary>The parameters, over the model's own.</summary>
    /// <exception cref="UsageException">A value is out of its range.</exception>
    public SamplingParams Read(ParseResult parsed, SamplingParams defaults)
    {
        var values = new Dictionary<string, object?> { ["max_tokens"] = null };
        foreach (var option in _numbers)
            if (parsed.GetValue(option) is { } value) values[Name(option)] = value;
        foreach (var option in _counts)
            if (parsed.GetValue(option) is { } value) values[Name(option)] = value;
        if (parsed.GetValue(_stop) is { Length: > 0 } stop) values["stop"] = stop;
        try
        {
            return SamplingParams.FromDictionary(values, defaults);
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static string Name(Option option) => option.Name.TrimStart('-').Replace('-', '_');

    private static Option<double?> Number(string name, string description) => new(name) { Description = description, HelpName = "number" };
}
