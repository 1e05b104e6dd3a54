using System.Diagnostics;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;
using Beam.ML.Vllm.Tests.Tokenizers;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

/// <summary>Constraints made to take all time or memory: each ends in an error that says so, or is no trouble.</summary>
[TestFixture]
public sealed class HostileConstraintTests
{
    public static IEnumerable<TestCaseData> Exploding()
    {
        yield return Case("counts of classes", new() { Regex = "[^a]{1000000}" });
        yield return Case("deep groups", new() { Regex = new string('(', 100_000) + new string(')', 100_000) });
        yield return Case("many rules", new() { Grammar = "root ::= r0\n" + string.Concat(Enumerable.Range(0, 70_000).Select(i => $"r{i} ::= \"a\"\n")) });
        yield return Case("empty language", new() { Regex = "[^\\s\\S]" });
        yield return Case("reference cycle", new() { Json = """{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}""" });
        yield return Case("cycle in allOf", new() { Json = """{"allOf": [{"$ref": "#"}]}""" });
        yield return Case("endless object", new() { Json = """{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}""" });
        yield return Case("deep schema", new() { Json = string.Concat(Enumerable.Repeat("{\"items\":", 5000)) + "{}" + new string('}', 5000) });
        yield return Case("large schema", new() { Json = "{\"enum\": [" + string.Join(',', Enumerable.Range(0, 2_000_000)) + "]}" });
        yield return Case("combinations", new() { Json = "{\"allOf\": [" + string.Join(',', Enumerable.Range(0, 40).Select(i => $$"""{"anyOf": [{"minLength": {{i}}}, {"maxLength": {{i + 100}}}, {"pattern": "a{{i}}"}]}""")) + "]}" });
        yield return Case("explosive complement", new() { Json = """{"type": "object", "properties": {"a": true}, "patternProperties": {"(a|b)*a(a|b){30}": {}}, "additionalProperties": true}""" });
        yield return Case("not JSON", new() { Json = "{" });
        yield return Case("half a surrogate pair in a schema", new() { Json = """{"properties": {"a": {"enum": ["\ud83d\ude00 \ud800"]}}}""" });
        yield return Case("half a surrogate pair in a grammar", new() { Grammar = "root ::= \"\\u{D800}\"" });
        yield return Case("hidden left recursion", new() { Grammar = "root ::= a0\n" + string.Concat(Enumerable.Range(0, 40).Select(i => $"a{i} ::= a{(i + 1) % 40} \"x\" a{(i + 7) % 40} | a{(i + 3) % 40} \"y\" | \"z\"?\n")) });
    }

    [TestCaseSource(nameof(Exploding))]
    public void What_explodes_is_refused_in_bounded_time(StructuredOutputsParams parameters)
    {
        var watch = Stopwatch.StartNew();
        Assert.That(() => Language.Of(parameters), Throws.InstanceOf<StructuredOutputException>());
        TestContext.Out.WriteLine(watch.Elapsed);
    }

    public static IEnumerable<TestCaseData> Ambiguous()
    {
        yield return Case("ambiguous sums", new() { Grammar = "root ::= root root root | root root | \"a\" | \"aa\"" });
        yield return Case("two stacks a letter", new() { Grammar = "root ::= x | y | \"\"\nx ::= \"a\" root \"b\"\ny ::= \"a\" root \"c\"" });
        yield return Case("many same rules", new() { Grammar = "root ::= " + string.Join(" | ", Enumerable.Range(0, 300).Select(i => $"r{i}")) + "\n" + string.Concat(Enumerable.Range(0, 300).Select(i => $"r{i} ::= \"a\" root \"b\" | \"a\"\n")) });
        yield return Case("exponential automaton", new() { Regex = "(?:a|b)*a(?:a|b){200}" });
        yield return Case("optional chain", new() { Regex = "(?:a?){500}a{500}" });
        yield return Case("same prefixes", new() { Regex = string.Join('|', Enumerable.Range(0, 500).Select(i => $"a*b{{{i}}}")) });
        yield return Case("nested counts", new() { Regex = "(?:(?:a{1000}b){1000}c){1000}" });
        yield return Case("nested stars", new() { Regex = "(((a*)*)*)*" });
    }

    [TestCaseSource(nameof(Ambiguous))]
    public void An_ambiguous_constraint_goes_on_or_fails_but_does_not_stall(StructuredOutputsParams parameters)
    {
        var language = Language.Of(parameters).Constraint;
        var place = language.Start;
        var longest = TimeSpan.Zero;
        try
        {
            for (var i = 0; i < 100 && !place.IsDead; i++)
            {
                var watch = Stopwatch.StartNew();
                _ = language.MaskOf(place);
                place = language.After(place, "a"u8);
                if (watch.Elapsed > longest) longest = watch.Elapsed;
            }
        }
        catch (StructuredOutputException e)
        {
            Assert.That(e.Message, Does.Contain("ambiguous"));
        }
        TestContext.Out.WriteLine($"the slowest step took {longest.TotalMilliseconds:0.0} ms");
    }

    [Test]
    public void Large_constraints_that_are_no_explosion_work()
    {
        var names = string.Join(',', Enumerable.Range(0, 1000).Select(i => $"\"property{i}\": {{\"type\": \"string\"}}"));
        var wide = Language.Json($$"""{"type": "object", "properties": { {{names}} } }""");
        Assert.That(wide.Accepts("{\"property3\": \"a\", \"property998\": \"b\"}"), Is.True);
        Assert.That(Language.Json("""{"type": "string", "maxLength": 50000}""").Accepts("\"" + new string('x', 3000) + "\""), Is.True);
        var choices = Language.Of(new() { Choice = [.. Enumerable.Range(0, 5000).Select(i => "choice " + i)] });
        Assert.That(choices.Accepts("choice 4999"), Is.True);
        var definitions = string.Join(',', Enumerable.Range(0, 3000).Select(i => $"\"d{i}\": {{\"type\": \"array\", \"items\": {{\"$ref\": \"#/$defs/d{(i + 1) % 3000}\"}}}}"));
        Assert.That(Language.Json($$"""{"$ref": "#/$defs/d0", "$defs": { {{definitions}} } }""").Accepts("[[[], [[]]]]"), Is.True);
    }

    [Test]
    public void What_is_kept_of_a_constraint_is_bounded_and_what_is_given_up_is_found_again()
    {
        var vocabulary = TokenVocabulary.Of(Golden.Load("sentencepiece_gemma"));
        var constraint = new StructuredOutputCompiler(vocabulary).Compile(new() { Regex = "[^a]{80000}" });
        var (place, early) = (constraint.Start, constraint.Start);
        for (var i = 0; i < 70_000; i++)
        {
            place = constraint.After(place, "b"u8);
            if (i == 100) early = place;
            if (i % 80 == 0) _ = constraint.MaskOf(place);
        }
        Assert.Multiple(() =>
        {
            Assert.That(constraint.Kept.Places, Is.LessThan(66_000));
            Assert.That(constraint.Bytes, Is.LessThan(32 << 20));
            Assert.That(constraint.Kept.MaskBytes, Is.LessThan(9 << 20));
            Assert.That(constraint.MaskOf(early).Count, Is.EqualTo(constraint.MaskOf(constraint.Start).Count));
            Assert.That(constraint.After(early, "a"u8).IsDead, Is.True);
            Assert.That(constraint.After(early, "b"u8).IsDead, Is.False);
        });
    }

    private static TestCaseData Case(string name, StructuredOutputsParams parameters) => new TestCaseData(parameters).SetArgDisplayNames(name);
}
