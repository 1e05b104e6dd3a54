using System.Collections;
using System.Text;
using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;
using Beam.ML.Vllm.Tests.Tokenizers;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

/// <summary>Masks and verdicts of other engines.</summary>
[TestFixture]
public sealed class GoldenStructuredOutputTests
{
    private static readonly JsonDocument Document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Golden.Folder, "structured.json")));

    private static readonly Dictionary<string, TokenVocabulary> Vocabularies =
        Document.RootElement.EnumerateArray().Select(t => t.GetProperty("tokenizer").GetString()!).ToDictionary(n => n, n => TokenVocabulary.Of(Golden.Load(n)));

    public static IEnumerable Masks() => Cases("masks", c => c.GetProperty("constraint").GetRawText() + " on " + c.GetProperty("text").GetRawText());

    public static IEnumerable Verdicts() => Cases("verdicts", c => c.GetProperty("constraint").GetRawText() + (c.GetProperty("accepted").GetBoolean() ? " accepts " : " refuses ") + c.GetProperty("text").GetRawText());

    [TestCaseSource(nameof(Masks))]
    public void The_tokens_that_fit_are_those_of_other_engines(string tokenizer, int eos, JsonElement golden)
    {
        var vocabulary = Vocabularies[tokenizer];
        var constraint = new StructuredOutputCompiler(vocabulary).Compile(Parameters(golden));
        var place = constraint.Start;
        var tokens = golden.GetProperty("tokens").EnumerateArray().Select(t => t.GetInt32()).ToArray();
        var allowed = golden.GetProperty("allowed").EnumerateArray().Select(a => Convert.FromHexString(a.GetString()!)).ToArray();
        for (var i = 0; i <= tokens.Length; i++)
        {
            var mask = constraint.MaskOf(place);
            var ours = Enumerable.Range(0, vocabulary.Count).Where(id => id == eos ? mask.CanEnd : mask.Allows(id));
            var theirs = Enumerable.Range(0, allowed[i].Length * 8).Where(id => (allowed[i][id / 8] >> (id % 8) & 1) != 0);
            Assert.That(ours, Is.EqualTo(theirs), $"after {i} tokens");
            if (i < tokens.Length) place = constraint.After(place, tokens[i]);
        }
    }

    [TestCaseSource(nameof(Verdicts))]
    public void A_text_is_accepted_or_refused_as_by_other_engines(string tokenizer, int eos, JsonElement golden)
    {
        _ = eos;
        var constraint = new StructuredOutputCompiler(Vocabularies[tokenizer]).Compile(Parameters(golden));
        var place = constraint.After(constraint.Start, Encoding.UTF8.GetBytes(golden.GetProperty("text").GetString()!));
        Assert.That(place.IsEnd, Is.EqualTo(golden.GetProperty("accepted").GetBoolean()));
    }

    private static StructuredOutputsParams Parameters(JsonElement golden)
    {
        var constraint = golden.GetProperty("constraint");
        return golden.GetProperty("kind").GetString() switch
        {
            "regex" => new() { Regex = constraint.GetString() },
            "choice" => new() { Choice = [.. constraint.EnumerateArray().Select(c => c.GetString()!)] },
            "grammar" => new() { Grammar = constraint.GetString() },
            "json" => new() { Json = constraint.GetRawText() },
            var other => throw new InvalidDataException(other),
        };
    }

    private static IEnumerable<TestCaseData> Cases(string list, Func<JsonElement, string> name)
    {
        foreach (var tokenizer in Document.RootElement.EnumerateArray())
        {
            var number = 0;
            foreach (var golden in tokenizer.GetProperty(list).EnumerateArray())
                yield return new TestCaseData(tokenizer.GetProperty("tokenizer").GetString(), tokenizer.GetProperty("eos_id").GetInt32(), golden)
                    .SetArgDisplayNames(tokenizer.GetProperty("tokenizer").GetString()!, (number++).ToString(System.Globalization.CultureInfo.InvariantCulture), name(golden));
        }
    }
}
