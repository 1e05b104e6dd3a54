using System.Text.RegularExpressions;

namespace Cookbook;

/// <summary>What docs/cookbook.md and the READMEs show is the code that the tests here compile and run.</summary>
public sealed partial class CookbookTests
{
    private static readonly Dictionary<string, string> Snippets = Directory.EnumerateFiles(RecipeFolder.Sources, "*Recipes.cs")
        .SelectMany(file => Region().Matches(File.ReadAllText(file).ReplaceLineEndings("\n")))
        .ToDictionary(match => match.Groups["name"].Value, match => Dedent(match.Groups["code"].Value, match.Groups["indent"].Length));

    [Test]
    public void The_cookbook_shows_the_snippets_that_run_and_no_others()
    {
        var shown = Blocks(Path.Combine(RecipeFolder.Repository, "docs", "cookbook.md"));
        Assert.That(shown, Is.EquivalentTo(Snippets.Values));
    }

    private static IEnumerable<string> Blocks(string markdown) =>
        Block().Matches(File.ReadAllText(markdown).ReplaceLineEndings("\n")).Select(match => match.Groups["code"].Value);

    private static string Dedent(string code, int indent) =>
        string.Concat(code.Split('\n').SkipLast(1).Select(line => (line.Length < indent ? line : line[indent..]) + "\n"));

    [GeneratedRegex(@"^(?<indent> *)#region (?<name>[^\n]+)\n(?<code>.*?)^ *#endregion", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Region();

    [GeneratedRegex(@"^```csharp\n(?<code>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();
}
