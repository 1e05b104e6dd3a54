using System.Text.Json.Nodes;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>Any value in config.json may be wrong: the model is refused in words, or computes; nothing else.</summary>
[TestFixture]
public sealed class HostileConfigTests
{
    private static readonly string[] Families =
        [.. Directory.GetDirectories(Path.Combine(TestModels.GoldenFolder, "models")).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];

    private static readonly string[] Values = ["0", "7", "1000000000", "-1.5", "\"x\"", "[]", "{}", "null"];

    [Test]
    public void A_wrong_value_is_refused_in_words_or_does_not_matter([ValueSource(nameof(Families))] string family)
    {
        using var model = new TemporaryModel(TestModels.Golden(family));
        var original = File.ReadAllText(model["config.json"]);
        foreach (var path in Paths(JsonNode.Parse(original)!, []))
        {
            foreach (var value in Values)
            {
                var config = JsonNode.Parse(original)!;
                Set(config, path, JsonNode.Parse(value));
                File.WriteAllText(model["config.json"], config.ToJsonString());
                try
                {
                    using var harness = new RunnerHarness(model.Folder);
                    var logits = harness.Logits(RunnerHarness.NewSequence([1, 2, 3]));
                    Assert.That(logits, Has.Length.EqualTo(3));
                }
                catch (ModelLoadException e)
                {
                    Assert.That(e.Message, Does.Contain(model.Folder).And.Not.Contains("\n"));
                }
                catch (ArgumentException e) when (e.Message.Contains("max_model_len", StringComparison.Ordinal))
                {
                    // The cache has no room for what the file claims.
                }
                catch (Exception e) when (e is not AssertionException)
                {
                    Assert.Fail($"{string.Join('.', path)} = {value}: {e}");
                }
            }
        }
    }

    private static IEnumerable<string[]> Paths(JsonNode node, string[] path)
    {
        if (node is not JsonObject inner) yield break;
        foreach (var (key, child) in inner)
        {
            if (key == "vision_config") continue;
            yield return [.. path, key];
            if (child is null) continue;
            foreach (var below in Paths(child, [.. path, key])) yield return below;
        }
    }

    private static void Set(JsonNode root, string[] path, JsonNode? value)
    {
        foreach (var key in path[..^1]) root = root[key]!;
        root[path[^1]] = value;
    }
}
