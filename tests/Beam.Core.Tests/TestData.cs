namespace Beam.Core.Tests;

internal static class TestData
{
    public static string PathOf(string name) => Path.Combine(TestContext.CurrentContext.TestDirectory, "data", name);

    /// <summary>The rows of a table of the Beam model, each a value by column.</summary>
    public static List<Dictionary<string, string>> Table(string name)
    {
        var lines = File.ReadAllLines(PathOf($"beam-model/{name}.tsv"));
        var columns = lines[0].Split('\t');
        return [.. lines.Skip(1).Select(line => columns.Zip(line.Split('\t')).ToDictionary(cell => cell.First, cell => cell.Second))];
    }
}
