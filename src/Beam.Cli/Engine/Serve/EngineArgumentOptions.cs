using System.CommandLine;
using Beam.Cli.Hosting;
using Beam.Cli.Usage;
using Beam.ML.Vllm.Arguments;
using Beam.ML.Vllm.Engine;

namespace Beam.Cli.Engine.Serve;

/// <summary>vLLM's engine arguments as options of a command, made of the engine's own table.</summary>
internal sealed class EngineArgumentOptions
{
    private static readonly EngineOptions Default = new() { Model = "" };

    private readonly List<(string Name, Option Option)> _options = [];

    /// <param name="command">What gets the options.</param>
    /// <param name="unlisted">Arguments that make no sense for the command: accepted, and left out of its help.</param>
    public void AddTo(Command command, params IReadOnlyCollection<string> unlisted)
    {
        foreach (var argument in EngineArguments.All)
        {
            var description = argument.Default?.Invoke(Default) is { } value ? $"{argument.Description} [default: {value}]" : argument.Description;
            Add(command, argument.Name, argument.Alias, description, argument.IsFlag, argument.IsList, hidden: unlisted.Contains(argument.Name), argument.Short);
            if (argument.IsFlag) Add(command, "no_" + argument.Name, null, $"Turns --{argument.Name.Replace('_', '-')} off.", isFlag: true, isList: false, hidden: true);
        }

        // Some have a meaning to the command, which has added them.
        foreach (var argument in EngineArguments.Foreign)
        {
            AddForeign(argument.Name, argument.Short);
            if (argument.IsFlag) AddForeign("no_" + argument.Name, null);
        }

        void AddForeign(string name, string? shortName)
        {
            if (command.Options.Any(known => known.Name == Dashed(name) || known.Aliases.Contains(Dashed(name)))) return;
            Add(command, name, null, "Has no effect here.", isFlag: true, isList: false, hidden: true, shortName);
        }
    }

    public EngineOptions Read(ParseResult parsed, EngineOptions options)
    {
        try
        {
            return EngineArguments.Apply(options, Given(parsed));
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    /// <summary>The model: the one that stands alone, or <c>--model</c>, as older scripts have it.</summary>
    public string Model(ParseResult parsed, string? alone)
    {
        var option = Given(parsed).LastOrDefault(given => given.Key == "model").Value as string;
        if (alone is not null && option is not null && alone != option) throw new UsageException($"MODEL is '{alone}' and --model is '{option}': give one of them.");
        return alone ?? option ?? throw Missing(parsed.CommandResult.Command);

        static UsageException Missing(Command command) => new($"Required argument 'MODEL' missing for command: '{command.Name}'. See '{CommandLineErrors.Path(command)} --help'.");
    }

    public IReadOnlyList<string> ServedModelNames(ParseResult parsed) =>
        Given(parsed).Where(given => given.Key == "served_model_name").SelectMany(given => (string[])given.Value!).ToArray();

    /// <summary>What to say of an argument that is not known.</summary>
    public static string Explain(string token, Command command)
    {
        if (!token.StartsWith('-')) return $"There is one MODEL; '{token}' is one too many.";
        return $"{CommandLineErrors.UnknownArgument(token.Split('=')[0], command)} See '{CommandLineErrors.Path(command)} --help'.";
    }

    private IEnumerable<KeyValuePair<string, object?>> Given(ParseResult parsed)
    {
        foreach (var (name, option) in _options)
        {
            if (parsed.GetResult(option) is not { Implicit: false }) continue;
            var values = parsed.GetValue((Option<string[]>)option) ?? [];
            yield return new(name, values.Length == 0 ? null : option.Arity.MaximumNumberOfValues > 1 ? values : values[^1]);
        }
    }

    private void Add(Command command, string name, string? alias, string description, bool isFlag, bool isList, bool hidden, string? shortName = null)
    {
        var main = Dashed(name);
        AddOne(main, hidden);
        foreach (var other in new[] { "--" + name, alias is null ? main : Dashed(alias), alias is null ? main : "--" + alias }.Distinct())
            if (other != main) AddOne(other, hide: true);
        if (shortName is not null) AddOne("-" + shortName, hide: true);

        void AddOne(string option, bool hide)
        {
            var added = new Option<string[]>(option)
            {
                Description = description,
                Hidden = hide,
                Arity = isList ? ArgumentArity.OneOrMore : isFlag ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne,
                AllowMultipleArgumentsPerToken = isList,
                // The table says what a value may be; whether there may be several is said above.
                CustomParser = result => [.. result.Tokens.Select(token => token.Value)],
                HelpName = isFlag ? "true|false" : "value",
            };
            _options.Add((name, added));
            command.Options.Add(added);
        }
    }

    private static string Dashed(string name) => "--" + name.Replace('_', '-');
}
