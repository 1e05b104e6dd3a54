using System.CommandLine;
using Beam.ML.Vllm.Arguments;

namespace Beam.Cli.Usage;

/// <summary>What is wrong with a command line that does not parse, in one line.</summary>
internal static class CommandLineErrors
{
    public static string Describe(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        return $"{What(parsed, command)} See '{Path(command)} --help'.";
    }

    /// <summary>A command as it is typed: <c>beam engine serve</c>.</summary>
    public static string Path(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? $"{Path(parent)} {command.Name}" : "beam";

    /// <summary>What to say of an option that a command does not have.</summary>
    public static string UnknownArgument(string name, Command command)
    {
        var nearest = EngineArguments.Nearest(command.Options.Where(option => !option.Hidden).Select(option => option.Name), name);
        return $"Unknown argument '{name}'.{(nearest is null ? "" : $" Did you mean '{nearest}'?")}";
    }

    private static string What(ParseResult parsed, Command command)
    {
        var given = parsed.UnmatchedTokens.Count > 0 ? parsed.UnmatchedTokens[0] : null;
        if (given?.StartsWith('-') == true)
        {
            var name = given.Split('=')[0];
            return UnknownArgument(name, command);
        }

        var commands = command.Subcommands.Where(sub => !sub.Hidden).ToArray();
        if (commands.Length == 0) return given is null ? parsed.Errors[0].Message : $"'{given}' is one argument too many.";
        if (given is null) return $"A command is missing: {string.Join(", ", commands.Select(sub => sub.Name))}.";
        // A command further down is found by its own name alone: people leave the group out.
        var deeper = commands.SelectMany(sub => sub.Subcommands).FirstOrDefault(sub => !sub.Hidden && sub.Name == given);
        var near = deeper is null ? EngineArguments.Nearest(commands.Select(sub => sub.Name), given) : Path(deeper);
        return near is null
            ? $"There is no command '{given}'; there are: {string.Join(", ", commands.Select(sub => sub.Name))}."
            : $"There is no command '{given}'; did you mean '{near}'?";
    }
}
