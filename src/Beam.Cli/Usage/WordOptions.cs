using System.CommandLine;

namespace Beam.Cli.Usage;

/// <summary>Options that take one of a few words.</summary>
internal static class WordOptions
{
    /// <summary>Shows the words in the help, and refuses others by naming these.</summary>
    public static TOption AcceptWords<TOption>(this TOption option, params string[] words) where TOption : Option
    {
        option.HelpName = string.Join('|', words);
        option.CompletionSources.Add(words);
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
                if (!words.Contains(token.Value, StringComparer.OrdinalIgnoreCase))
                    result.AddError($"{option.Name} must be one of {string.Join(", ", words)}, got {token.Value}.");
        });
        return option;
    }
}
