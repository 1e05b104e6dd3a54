using System.Text.Json;
using System.Text.RegularExpressions;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.Tests.Models;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

/// <summary>What a model writes under constraints.</summary>
[TestFixture]
public sealed class StructuredGenerationTests
{
    private const string Question = "What is the capital of France?";
    private LlmEngine _engine = null!;

    [OneTimeSetUp]
    public void SetUp() => _engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 2, NumKvBlocks = 512, MaxModelLength = 1024 });

    [OneTimeTearDown]
    public void TearDown() => _engine.Dispose();

    [Test]
    public async Task Sampled_texts_match_their_pattern()
    {
        string[] patterns = ["[A-Z][a-z]{2,8}( [A-Z][a-z]{1,6}){0,2}", @"\d{4}-\d{2}-\d{2}", "(yes|no), (because|although) [a-z ]{3,30}\\.", "[^aeiou\"]{5,20}!", "(é|漢|😀){3}x?"];
        await Task.WhenAll(Enumerable.Range(0, 25).Select(async i =>
        {
            var pattern = patterns[i % patterns.Length];
            var output = await _engine.CompleteAsync(Question, Sampled(i) with { StructuredOutputs = new() { Regex = pattern } });
            Assert.That(output.FinishReason, Is.EqualTo("stop"), output.Text);
            Assert.That(output.Text, Does.Match(new Regex($@"\A(?:{pattern})\z", RegexOptions.CultureInvariant)));
        }));
    }

    [Test]
    public async Task Sampled_texts_fit_their_schema()
    {
        const string Schema = """
            {"type": "object", "required": ["name", "kind", "size", "tags"], "properties": {
              "name": {"type": "string", "minLength": 1, "maxLength": 12}, "kind": {"enum": ["city", "country", null]},
              "size": {"type": "integer", "minimum": -3, "maximum": 1200}, "share": {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.01},
              "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{1,5}$"}, "minItems": 1, "maxItems": 3},
              "next": {"anyOf": [{"type": "boolean"}, {"type": "object", "properties": {"on": {"type": "string", "format": "date"}}, "required": ["on"]}]}}}
            """;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(async i =>
        {
            // Between them run requests without a constraint.
            var parameters = Sampled(i) with { MaxTokens = 700, StructuredOutputs = i % 3 == 2 ? null : new() { Json = Schema, DisableAnyWhitespace = i % 2 == 0 } };
            var output = await _engine.CompleteAsync(Question, parameters);
            if (parameters.StructuredOutputs is null) return;
            Assert.That(output.FinishReason, Is.EqualTo("stop"), output.Text);
            var value = JsonDocument.Parse(output.Text).RootElement;
            Assert.Multiple(() =>
            {
                Assert.That(value.EnumerateObject().Select(p => p.Name), Is.SubsetOf(new[] { "name", "kind", "size", "share", "tags", "next" }));
                Assert.That(value.GetProperty("name").GetString()!.EnumerateRunes().Count(), Is.InRange(1, 12));
                Assert.That(value.GetProperty("kind").GetString(), Is.AnyOf("city", "country", null));
                Assert.That(value.GetProperty("size").GetInt32(), Is.InRange(-3, 1200));
                Assert.That(value.GetProperty("tags").EnumerateArray().Select(t => t.GetString()), Has.All.Match("^[a-z]{1,5}$"));
                Assert.That(value.GetProperty("tags").GetArrayLength(), Is.InRange(1, 3));
                if (value.TryGetProperty("share", out var share)) Assert.That(share.GetDecimal(), Is.InRange(0m, 0.99m));
                if (value.TryGetProperty("next", out var next) && next.ValueKind == JsonValueKind.Object) Assert.That(next.GetProperty("on").GetDateTime(), Is.Not.Default);
            });
        }));
    }

    [Test]
    public async Task A_constraint_that_is_cut_short_by_max_tokens_has_a_text_that_could_go_on()
    {
        var language = Language.Json("{}");
        for (var seed = 0; seed < 5; seed++)
        {
            var output = await _engine.CompleteAsync(Question, Sampled(seed) with { MaxTokens = 20, StructuredOutputs = new() { Json = "{}" } });
            if (output.FinishReason == "stop") Assert.That(() => JsonDocument.Parse(output.Text), Throws.Nothing);
            else Assert.That(language.StartsWith(output.Text.TrimEnd('\uFFFD')), Is.True, output.Text);
        }
    }

    [Test]
    public async Task A_choice_and_a_grammar_hold_too_also_without_sampling()
    {
        var choice = await _engine.CompleteAsync(Question, new SamplingParams { Temperature = 0, MaxTokens = 20, StructuredOutputs = new() { Choice = ["Paris", "Rome", "New York"] } });
        Assert.That(choice.Text, Is.EqualTo("Paris"));
        Assert.That(choice.FinishReason, Is.EqualTo("stop"));
        var sum = await _engine.CompleteAsync(Question, Sampled(1) with { MaxTokens = 40, StructuredOutputs = new() { Grammar = "root ::= n (\"+\" n){1,3}\nn ::= [1-9] [0-9]{0,3} | \"(\" n \"-\" n \")\"" } });
        Assert.That(sum.Text, Does.Match(@"^[-0-9+()]+$"));
    }

    [Test]
    public async Task Seeded_texts_are_the_same_alone_in_a_batch_and_with_drafts()
    {
        var parameters = Enumerable.Range(0, 6).Select(i => Sampled(i) with
        {
            MaxTokens = 40,
            StructuredOutputs = i % 2 == 0 ? new() { Json = """{"type": "array", "items": {"type": "string", "maxLength": 10}, "minItems": 2, "maxItems": 4}""" } : null,
        }).ToArray();
        var alone = new List<IReadOnlyList<int>>();
        foreach (var p in parameters) alone.Add((await _engine.CompleteAsync(Question, p)).TokenIds);
        var together = await Task.WhenAll(parameters.Select(p => _engine.CompleteAsync(Question, p)));
        Assert.That(together.Select(o => o.TokenIds), Is.EqualTo(alone));
        using var drafting = new LlmEngine(new EngineOptions
        {
            Model = TestModels.TinyGemma,
            NumThreads = 1,
            NumKvBlocks = 64,
            SpeculativeConfig = new SpeculativeConfig { NumSpeculativeTokens = 4, PromptLookupMin = 1, PromptLookupMax = 3 },
        });
        var drafted = await Task.WhenAll(parameters.Select(p => drafting.CompleteAsync(Question, p)));
        Assert.That(drafted.Select(o => o.TokenIds), Is.EqualTo(alone));
    }

    [Test]
    public async Task Several_completions_each_follow_the_constraint_in_their_own_way()
    {
        var output = await _engine.CompleteAsync(Question, Sampled(4) with { N = 4, StructuredOutputs = new() { Regex = "[a-z]{4,9}\\." } });
        Assert.That(output.Outputs.Select(o => o.Text), Has.All.Match(@"^[a-z]{4,9}\.$"));
        Assert.That(output.Outputs.Select(o => o.Text).Distinct().Count(), Is.GreaterThan(1));
    }

    [Test]
    public async Task The_text_wins_over_min_tokens_and_ends_once_they_are_there()
    {
        var output = await _engine.CompleteAsync(Question, Sampled(2) with { MinTokens = 9, MaxTokens = 30, StructuredOutputs = new() { Regex = "abc" } });
        Assert.Multiple(() =>
        {
            Assert.That(output.Text, Is.EqualTo("abc"));
            Assert.That(output.FinishReason, Is.EqualTo("stop"));
            Assert.That(output.TokenIds, Has.Count.InRange(9, 10));
        });
        var longer = await _engine.CompleteAsync(Question, Sampled(2) with { MinTokens = 12, MaxTokens = 40, StructuredOutputs = new() { Regex = "(ab ?)*" } });
        Assert.That(longer.TokenIds, Has.Count.GreaterThanOrEqualTo(12));
    }

    [Test]
    public async Task Nothing_follows_a_finished_text_where_the_end_is_ignored()
    {
        var output = await _engine.CompleteAsync(Question, Sampled(3) with { IgnoreEos = true, MaxTokens = 12, StructuredOutputs = new() { Choice = ["yes"] } });
        Assert.Multiple(() =>
        {
            Assert.That(output.Text, Is.EqualTo("yes"));
            Assert.That(output.FinishReason, Is.EqualTo("length"));
        });
    }

    [Test]
    public async Task A_stop_string_cuts_the_text_as_always()
    {
        var output = await _engine.CompleteAsync(Question, Sampled(3) with { Stop = ["-"], StructuredOutputs = new() { Regex = @"\d{4}-\d{2}" } });
        Assert.That(output.Text, Does.Match(@"^\d{4}$"));
    }

    [Test]
    public async Task A_wrong_constraint_is_refused_and_others_go_on()
    {
        var good = _engine.CompleteAsync(Question, Sampled(1));
        var bad = await Assert.CatchAsync(() => _engine.CompleteAsync(Question, Sampled(1) with { StructuredOutputs = new() { Regex = "(" } }));
        var none = await Assert.CatchAsync(() => _engine.CompleteAsync(Question, Sampled(1) with { StructuredOutputs = new() }));
        Assert.Multiple(() =>
        {
            Assert.That(bad, Is.InstanceOf<InvalidRequestException>().With.Message.Contains("not closed"));
            Assert.That(none, Is.InstanceOf<InvalidRequestException>().With.Message.Contains("exactly one"));
        });
        await good;
    }

    [Test]
    public async Task A_constraint_that_the_other_parameters_leave_no_token_fails_that_request()
    {
        var failed = await Assert.CatchAsync(() => _engine.CompleteAsync(Question, Sampled(1) with { AllowedTokenIds = [_engine.Tokenizer!.TokenToId("x")!.Value], StructuredOutputs = new() { Regex = "abc" } }));
        Assert.That(failed, Is.InstanceOf<InvalidRequestException>().With.Message.Contains("No token can be chosen"));
        Assert.That((await _engine.CompleteAsync(Question, Sampled(1))).Text, Is.Not.Empty);
    }

    [Test]
    public async Task An_engine_without_a_tokenizer_refuses_constraints()
    {
        using var engine = new LlmEngine(new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 16, SkipTokenizerInit = true });
        var refused = await Assert.CatchAsync(() => engine.CompleteAsync(new[] { 2, 3 }, new SamplingParams { StructuredOutputs = new() { Choice = ["a"] } }));
        Assert.That(refused, Is.InstanceOf<InvalidRequestException>().With.Message.Contains("need a tokenizer"));
    }

    private static SamplingParams Sampled(int seed) => new() { Seed = seed, MaxTokens = 120 };
}
