using System.Text.Json;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

[TestFixture]
public sealed class StructuredOutputsParamsTests
{
    [Test]
    public void Constraints_are_read_by_vLLMs_names()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Read("""{"structured_outputs": {"regex": "a+"}}"""), Is.EqualTo(new StructuredOutputsParams { Regex = "a+" }));
            Assert.That(Read("""{"structured_outputs": {"choice": ["a", "b"], "regex": null}}"""), Is.EqualTo(new StructuredOutputsParams { Choice = ["a", "b"] }));
            Assert.That(Read("""{"structured_outputs": {"json": {"type": "null"}, "disable_any_whitespace": true, "whitespace_pattern": " ?"}}"""), Is.EqualTo(new StructuredOutputsParams { Json = """{"type": "null"}""", DisableAnyWhitespace = true, WhitespacePattern = " ?" }));
            Assert.That(Read("""{"structured_outputs": {"json": "{}"}}""")!.Json, Is.EqualTo("{}"));
            Assert.That(Read("""{"structured_outputs": {"json_object": true}}""")!.JsonObject, Is.True);
            Assert.That(Read("""{"structured_outputs": {"grammar": "root ::= \"a\""}}""")!.Grammar, Is.EqualTo("root ::= \"a\""));
            Assert.That(Read("""{"structured_outputs": null}"""), Is.Null);
            Assert.That(Read("""{"guided_json": {"type": "null"}}""")!.Json, Is.EqualTo("""{"type":"null"}""").Or.EqualTo("""{"type": "null"}"""));
            Assert.That(Read("""{"guided_regex": "a"}""")!.Regex, Is.EqualTo("a"));
            Assert.That(Read("""{"guided_choice": ["a"]}""")!.Choice, Is.EqualTo(new[] { "a" }));
            Assert.That(Read("""{"guided_grammar": "root ::= \"a\"", "guided_regex": null}""")!.Grammar, Is.Not.Null);
        });
    }

    [TestCase("""{"structured_outputs": {}}""", "exactly one")]
    [TestCase("""{"structured_outputs": {"regex": "a", "json_object": true}}""", "exactly one")]
    [TestCase("""{"structured_outputs": {"structural_tag": "{}"}}""", "structural_tag")]
    [TestCase("""{"structured_outputs": {"regexp": "a"}}""", "regexp")]
    [TestCase("""{"structured_outputs": {"regex": 1}}""", "regex")]
    [TestCase("""{"structured_outputs": {"choice": []}}""", "choice")]
    [TestCase("""{"structured_outputs": {"choice": [1]}}""", "choice")]
    [TestCase("""{"structured_outputs": "a"}""", "object")]
    [TestCase("""{"structured_outputs": {"regex": "a", "whitespace_pattern": " "}}""", "whitespace_pattern")]
    [TestCase("""{"guided_regex": "a", "guided_choice": ["b"]}""", "guided_choice")]
    public void Wrong_constraints_are_refused_with_the_reason(string json, string reason) =>
        Assert.That(() => Read(json), Throws.InstanceOf<ArgumentException>().With.Message.Contains(reason));

    private static StructuredOutputsParams? Read(string json) => SamplingParams.FromJson(JsonDocument.Parse(json).RootElement).StructuredOutputs;
}
