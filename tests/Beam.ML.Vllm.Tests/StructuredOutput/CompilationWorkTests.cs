using System.Text;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.StructuredOutput.Automata;
using Beam.ML.Vllm.StructuredOutput.Grammars;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

/// <summary>What compiling costs, in steps and in memory: it grows as the constraint does, ends at a bound, and where the caller goes.</summary>
[TestFixture]
public sealed class CompilationWorkTests
{
    private static readonly TokenVocabulary Bytes = new([.. Enumerable.Range(0, 256).Select(b => new[] { (byte)b })]);

    public static IEnumerable<TestCaseData> Growing()
    {
        yield return Case("groups of anchors", n => new() { Regex = string.Concat(Enumerable.Repeat("(^^)", n)) + "a" });
        yield return Case("anchors within each other", n => new() { Regex = string.Concat(Enumerable.Repeat("(?:^(?:^(?:^", n)) + string.Concat(Enumerable.Repeat(")))", n)) }, sizes: [15, 30]);
        yield return Case("categories", n => new() { Regex = string.Concat(Enumerable.Repeat(@"\p{Sc}", n)) });
        yield return Case("rules behind a left-recursive one", n => new() { Grammar = "root ::= root \"x\" | r0\n" + string.Concat(Enumerable.Range(0, n).Select(i => $"r{i} ::= {(i + 1 < n ? $"r{i + 1} \"a\"" : "\"b\"")}\n")) });
        yield return Case("items at places", n => new() { Json = "{\"type\":\"array\",\"prefixItems\":[" + List(n, _ => "{}") + "]}" });
        yield return Case("properties", n => new() { Json = "{\"type\":\"object\",\"properties\":{" + List(n, i => $"\"k{i}\":{{}}") + "}}" });
        yield return Case("required names", n => new() { Json = "{\"type\":\"object\",\"properties\":{" + List(n, i => $"\"k{i}\":{{}}") + "},\"required\":[" + List(n, i => $"\"k{n - i}\"") + "]}" });
        yield return Case("values in two lists", n => new() { Json = "{\"allOf\":[{\"enum\":[" + List(n, i => $"{i}") + "]},{\"enum\":[" + List(n, i => $"{i + (n / 2)}.0") + "]}]}" });
        yield return Case("alternatives apart", n => new() { Json = "{\"oneOf\":[{\"enum\":[" + List(n, i => $"\"a{i}\"") + "]},{\"enum\":[" + List(n, i => $"\"b{i}\"") + "]}]}" });
        yield return Case("long names over many", n => new() { Json = "{\"type\":\"object\",\"properties\":{\"" + new string('x', n) + "\":{\"prefixItems\":[" + List(n, _ => "{}") + "]}}}" });
        yield return Case("references by a long way", n => new() { Json = "{\"$defs\":{\"" + new string('x', n) + "\":{\"type\":\"null\"}},\"prefixItems\":[" + List(3, _ => $"{{\"$ref\":\"#/$defs/{new string('x', n)}\"}}") + "]}" });
    }

    [TestCaseSource(nameof(Growing))]
    public void Twice_as_large_costs_about_twice_as_much(Func<int, StructuredOutputsParams> constraint, int[] sizes)
    {
        _ = Cost(constraint(sizes[0] / 3));
        var (once, twice) = (Cost(constraint(sizes[0])), Cost(constraint(sizes[1])));
        TestContext.Out.WriteLine($"{once} then {twice}");
        Assert.That(twice.Steps, Is.LessThan(once.Steps * 5 / 2));
        Assert.That(twice.Bytes, Is.LessThan((once.Bytes * 5 / 2) + 100_000));
    }

    [Test]
    public void Many_parts_each_within_bounds_are_too_much_together()
    {
        const int Limit = 1 << 18;
        var patterns = "{\"type\":\"object\",\"patternProperties\":{" + List(200, i => $"\"^k{i}x[a-z]{{0,60}}$\":{{}}") + "}}";
        var categories = string.Concat(Enumerable.Repeat(@"\PL", 1000));
        var numbers = "{\"anyOf\":[" + List(300, i => $"{{\"type\":\"number\",\"minimum\":{i}.123456789012345678901234567890,\"maximum\":{i + 1}.1234567890123456789012345678901234567890}}") + "]}";
        foreach (var parameters in (StructuredOutputsParams[])[new() { Json = patterns }, new() { Regex = categories }, new() { Json = numbers }])
        {
            var work = new WorkBudget(limit: Limit);
            Assert.That(() => Compile(parameters, work), Throws.InstanceOf<StructuredOutputException>().With.Message.Contains("steps"));
            Assert.That(work.Spent, Is.LessThan(Limit * 5 / 4));
        }
    }

    [Test]
    public void A_text_beyond_the_bound_is_refused_before_it_is_looked_at()
    {
        var text = new string('a', Limits.TextLength + 1);
        foreach (var parameters in (StructuredOutputsParams[])[new() { Regex = text }, new() { Grammar = text }, new() { Json = text }, new() { Choice = ["b", text] }])
            Assert.That(() => new StructuredOutputCompiler(Bytes).Compile(parameters), Throws.InstanceOf<StructuredOutputException>().With.Message.Contains("characters"));
    }

    [Test]
    public void A_caller_that_has_gone_ends_the_compilation_and_the_next_one_takes_over()
    {
        using var source = new CancellationTokenSource();
        var work = new WorkBudget(source.Token);
        work.Charge(100);
        source.Cancel();
        Assert.That(() => work.Charge(10_000), Throws.InstanceOf<OperationCanceledException>());
        var compiler = new StructuredOutputCompiler(Bytes);
        foreach (var parameters in (StructuredOutputsParams[])[new() { Regex = "a+" }, new() { Grammar = "root ::= \"a\"" }, new() { Json = "{}" }, new() { Choice = ["a"] }])
        {
            Assert.That(() => compiler.Compile(parameters, source.Token), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(compiler.Compile(parameters).MaskOf, Is.Not.Null);
        }
    }

    public static IEnumerable<TestCaseData> Deep()
    {
        yield return Deepest("groups and quantifiers of a grammar", new() { Grammar = "root ::= " + new string('(', 126) + "\"x\"" + string.Concat(Enumerable.Repeat(")" + new string('?', 127), 126)) });
        yield return Deepest("counted quantifiers", new() { Grammar = "root ::= " + string.Concat(Enumerable.Repeat("(", 126)) + "\"x\"" + string.Concat(Enumerable.Repeat(")" + string.Concat(Enumerable.Repeat("{0,2}", 127)), 126)) });
        yield return Deepest("groups of a regular expression", new() { Regex = string.Concat(Enumerable.Repeat("(?:b|a", 126)) + string.Concat(Enumerable.Repeat("c)*", 126)) });
        yield return Deepest("groups of a pattern", new() { Json = "{\"type\":\"string\",\"minLength\":1,\"pattern\":\"" + string.Concat(Enumerable.Repeat("(?:b|a", 60)) + string.Concat(Enumerable.Repeat("c)?", 60)) + "\"}" });
        yield return Deepest("values", new() { Json = "{\"const\":" + string.Concat(Enumerable.Repeat("{\"a\":[", 60)) + string.Concat(Enumerable.Repeat("]}", 60)) + "}" });
        yield return Deepest("schemas", new() { Json = string.Concat(Enumerable.Repeat("{\"type\":\"array\",\"items\":", 126)) + "{}" + new string('}', 126) });
        yield return Deepest("places", new() { Grammar = "root ::= p | q\np ::= \"a\" p \"b\" | \"a\" q \"c\" | \"a\"\nq ::= \"a\" q \"c\" | \"a\" p \"b\" | \"a\"" });
    }

    // A thread of the pool has 1.5 MB on most systems, and had other things to do before.
    [TestCaseSource(nameof(Deep))]
    public void The_deepest_constraint_needs_little_of_the_stack(StructuredOutputsParams parameters)
    {
        Exception? failure = null;
        var thread = new Thread(
            () =>
            {
                try
                {
                    var constraint = Compile(parameters, new WorkBudget());
                    var place = constraint.Start;
                    for (var i = 0; i < 1500 && !place.IsDead; i++) place = constraint.After(place, "a"u8);
                }
                catch (Exception e)
                {
                    failure = e;
                }
            },
            maxStackSize: 384 << 10);
        thread.Start();
        thread.Join();
        Assert.That(failure, Is.Null.Or.InstanceOf<StructuredOutputException>());
    }

    [Test]
    public void Quantifiers_that_follow_each_other_say_what_one_says()
    {
        foreach (var (grammar, one) in new[] { ("\"a\"??", "a?"), ("\"a\"*+", "a*"), ("\"a\"+?", "a*"), ("\"a\"?+", "a*"), ("\"a\"++", "a+"), ("(\"a\"*)*", "a*"), ("\"a\"{2}?", "(aa)?"), ("\"a\"?{2}", "a{0,2}"), ("\"a\"+{0}", "") })
        {
            var (many, single) = (Language.Grammar("root ::= \"<\" " + grammar + " \">\""), Language.Regex($"<{one}>"));
            for (var count = 0; count < 5; count++)
                Assert.That(many.Accepts($"<{new string('a', count)}>"), Is.EqualTo(single.Accepts($"<{new string('a', count)}>")), $"{grammar}, {count} times");
        }
    }

    [Test]
    public void A_request_has_a_store_of_steps_for_its_masks_which_each_token_fills_a_little()
    {
        const int Rules = 1000, Tokens = 60;
        var grammar = new StringBuilder("root ::= " + string.Join(" | ", Enumerable.Range(0, Rules).Select(i => $"x{i}")) + "\n");
        for (var i = 0; i < Rules; i++) grammar.Append($"x{i} ::= [a-z] [a-z0-9]{{1,{40 + (i % 50)}}} x{i} | \"{i}\"\n");
        var constraint = Compile(new() { Grammar = grammar.ToString() }, new WorkBudget());
        var (place, budget, random) = (constraint.Start, new MatchBudget(), new Random(3));
        var failure = Assert.Catch<StructuredOutputException>(() =>
        {
            for (var i = 0; i < Tokens; i++)
            {
                _ = constraint.MaskOf(place, budget);
                place = constraint.After(place, [(byte)('a' + random.Next(26))], budget);
            }
        })!;
        Assert.That(failure.Message, Does.Contain("ambiguous"));
        Assert.That(budget.Spent, Is.LessThan(Limits.MatchWork + (Tokens * Limits.MatchWorkOfToken) + 10_000));
        Assert.That(() => constraint.MaskOf(constraint.Start, new MatchBudget()), Throws.Nothing, "what another request took is not this one's");
    }

    [Test]
    public void A_list_of_thousands_of_words_is_no_trouble_for_a_request()
    {
        var random = new Random(5);
        string[] words = [.. Enumerable.Range(0, 6000).Select(_ => string.Concat(Enumerable.Range(0, random.Next(2, 9)).Select(_ => (char)('a' + random.Next(12))))).Distinct()];
        var vocabulary = new TokenVocabulary([.. Enumerable.Range(0, 256).Select(b => new[] { (byte)b }), .. words.Select(w => Encoding.UTF8.GetBytes(w[..^1])).DistinctBy(Convert.ToHexString)]);
        var constraint = new StructuredOutputCompiler(vocabulary).Compile(new() { Grammar = "root ::= word (\" \" word)*\nword ::= " + string.Join(" | ", words.Select(w => $"\"{w}\"")) });
        var (place, budget) = (constraint.Start, new MatchBudget());
        foreach (var token in Encoding.UTF8.GetBytes(string.Join(' ', words.Take(100))).Chunk(4))
        {
            Assert.That(constraint.MaskOf(place, budget).Count, Is.Positive);
            place = constraint.After(place, token, budget);
        }
        Assert.That(place.IsDead, Is.False);
    }

    private static (long Steps, long Bytes) Cost(StructuredOutputsParams parameters)
    {
        var work = new WorkBudget();
        var before = GC.GetAllocatedBytesForCurrentThread();
        _ = Compile(parameters, work);
        return (work.Spent, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static CompiledConstraint Compile(StructuredOutputsParams parameters, WorkBudget work) => new(StructuredOutputCompiler.GrammarOf(parameters, work), Bytes, work);

    private static string List(int count, Func<int, string> item) => string.Join(',', Enumerable.Range(0, count).Select(item));

    private static TestCaseData Case(string name, Func<int, StructuredOutputsParams> constraint, int[]? sizes = null) =>
        new TestCaseData(constraint, sizes ?? [400, 800]).SetArgDisplayNames(name);

    private static TestCaseData Deepest(string name, StructuredOutputsParams parameters) => new TestCaseData(parameters).SetArgDisplayNames(name);
}
