using System.Text.Json;
using Beam.ML.Vllm.Sampling;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Sampling;

public sealed class SamplingParamsTests
{
    [Test]
    public void Defaults_are_those_of_vLLM_and_valid()
    {
        var p = new SamplingParams();
        Assert.That(p.Validate, Throws.Nothing);
        Assert.That((p.N, p.Temperature, p.TopP, p.TopK, p.MinP, p.MaxTokens, p.MinTokens, p.Seed, p.IgnoreEos, p.SkipSpecialTokens),
            Is.EqualTo((1, 1.0, 1.0, 0, 0.0, (int?)16, 0, (long?)null, false, true)));
    }

    [Test]
    public void What_vLLM_has_beside_may_have_its_default_and_is_refused_by_name_otherwise()
    {
        var defaults = new Dictionary<string, object?> { ["flat_logprobs"] = false, ["extra_args"] = null, ["thinking_token_budget"] = null, ["prompt_logprob_token_ids"] = null, ["n"] = 2 };
        Assert.That(SamplingParams.FromDictionary(defaults).N, Is.EqualTo(2));
        foreach (var (name, value) in new (string, object)[] { ("flat_logprobs", true), ("extra_args", new Dictionary<string, int> { ["a"] = 1 }), ("thinking_token_budget", 5) })
        {
            Assert.That(
                () => SamplingParams.FromDictionary(new Dictionary<string, object?> { [name] = value }), Throws.ArgumentException.With.Message.StartsWith(name + " cannot be "));
        }
    }

    [Test]
    public void A_number_that_JSON_has_not_is_refused_by_its_name([Values(double.NaN, double.PositiveInfinity)] double value) => Assert.That(
        () => SamplingParams.FromDictionary(new Dictionary<string, object?> { ["temperature"] = value }),
        Throws.ArgumentException.With.Message.EqualTo($"Sampling parameter 'temperature' cannot be {value.ToString(System.Globalization.CultureInfo.InvariantCulture)}."));

    [TestCase("max_tokns", "Did you mean 'max_tokens'?")]
    [TestCase("use_beam_search", "Unknown sampling parameter 'use_beam_search'.")]
    public void A_name_is_suggested_only_where_it_is_near(string name, string message) => Assert.That(
        () => SamplingParams.FromDictionary(new Dictionary<string, object?> { [name] = 1 }), Throws.ArgumentException.With.Message.EndsWith(message));

    [Test]
    public void Ids_that_are_said_often_are_kept_once()
    {
        var p = SamplingParams.FromJson(System.Text.Json.JsonDocument.Parse("""{ "stop_token_ids": [7, 5, 7, 7], "allowed_token_ids": [9, 9, 3, 9] }""").RootElement);
        Assert.That(p.StopTokenIds, Is.EqualTo(new[] { 7, 5 }));
        Assert.That(p.AllowedTokenIds, Is.EqualTo(new[] { 9, 3 }));
    }

    [Test]
    public void What_cannot_be_null_is_named()
    {
        Assert.That(() => new SamplingParams { Stop = null! }.Validate(), Throws.ArgumentException.With.Message.Contains("stop cannot be null"));
        Assert.That(() => new SamplingParams { StopTokenIds = null! }.Validate(), Throws.ArgumentException.With.Message.Contains("stop_token_ids cannot be null"));
        Assert.That(() => new SamplingParams { BadWords = null! }.Validate(), Throws.ArgumentException.With.Message.Contains("bad_words cannot be null"));
        Assert.That(() => new SamplingParams { OutputKind = (OutputKind)9 }.Validate(), Throws.ArgumentException.With.Message.Contains("output_kind"));
    }

    [Test]
    public void The_older_pattern_of_white_space_goes_with_the_older_schema_in_either_order([Values] bool first)
    {
        (string, object?)[] values = [("guided_json", "{}"), ("guided_whitespace_pattern", " ")];
        var p = SamplingParams.FromDictionary((first ? values : values.Reverse()).ToDictionary(v => v.Item1, v => v.Item2));
        Assert.That((p.StructuredOutputs!.Json, p.StructuredOutputs.WhitespacePattern), Is.EqualTo(("{}", " ")));
    }

    private static readonly object[] Wrong =
    [
        new object[] { new SamplingParams { Temperature = -1 }, "temperature" },
        new object[] { new SamplingParams { Temperature = 2.1 }, "temperature" },
        new object[] { new SamplingParams { Temperature = double.NaN }, "temperature" },
        new object[] { new SamplingParams { TopP = 0 }, "top_p" },
        new object[] { new SamplingParams { TopP = 1.1 }, "top_p" },
        new object[] { new SamplingParams { TopK = -2 }, "top_k" },
        new object[] { new SamplingParams { MinP = -0.1 }, "min_p" },
        new object[] { new SamplingParams { MaxTokens = 0 }, "max_tokens" },
        new object[] { new SamplingParams { MinTokens = -1 }, "min_tokens" },
        new object[] { new SamplingParams { MinTokens = 17 }, "min_tokens" },
        new object[] { new SamplingParams { Stop = [""] }, "stop" },
        new object[] { new SamplingParams { Stop = [.. Enumerable.Repeat("a", 257)] }, "stop must have at most 256 strings, got 257" },
        new object[] { new SamplingParams { Stop = ["a", new string('b', 16384)] }, "stop must have at most 16384 characters in all, got 16385" },
        new object[] { new SamplingParams { StopTokenIds = [-1] }, "stop_token_ids" },
        new object[] { new SamplingParams { N = 0 }, "n must" },
        new object[] { new SamplingParams { N = 2, Temperature = 0 }, "greedy" },
        new object[] { new SamplingParams { PresencePenalty = 3 }, "presence_penalty" },
        new object[] { new SamplingParams { FrequencyPenalty = -3 }, "frequency_penalty" },
        new object[] { new SamplingParams { RepetitionPenalty = 0 }, "repetition_penalty" },
        new object[] { new SamplingParams { AllowedTokenIds = [] }, "allowed_token_ids" },
        new object[] { new SamplingParams { LogitBias = new Dictionary<int, float> { [1] = float.NaN } }, "logit_bias" },
        new object[] { new SamplingParams { BadWordsTokenIds = [[]] }, "bad_words" },
        new object[] { new SamplingParams { BadWords = [""] }, "bad_words" },
        new object[] { new SamplingParams { BadWords = [.. Enumerable.Range(0, 257).Select(i => $"{i}")] }, "at most 256 words" },
        new object[] { new SamplingParams { BadWords = ["a", new string('b', 16_384)] }, "at most 16384 characters" },
        new object[] { new SamplingParams { N = 16385 }, "at most 16384" },
        new object[] { new SamplingParams { N = 3, BestOf = 2 }, "best_of must be greater than or equal to n" },
        new object[] { new SamplingParams { BestOf = 2, Temperature = 0 }, "best_of must be 1" },
        new object[] { new SamplingParams { Logprobs = -2 }, "logprobs" },
        new object[] { new SamplingParams { PromptLogprobs = -2 }, "prompt_logprobs" },
        new object[] { new SamplingParams { LogprobTokenIds = [] }, "logprob_token_ids" },
        new object[] { new SamplingParams { LogprobTokenIds = [1, 2], Logprobs = 3 }, "When both" },
        new object[] { new SamplingParams { Stop = ["a"], Detokenize = false }, "detokenize" },
        new object[] { new SamplingParams { TruncatePromptTokens = 0 }, "truncate_prompt_tokens" },
        new object[] { new SamplingParams { StreamInterval = 0 }, "stream_interval" },
        new object[] { new SamplingParams { RepetitionDetection = new(3, 1, 1) }, "min_count must be >= 2" },
        new object[] { new SamplingParams { RepetitionDetection = new(3, 4, 2) }, "min_pattern_size <= max_pattern_size" },
    ];

    [TestCaseSource(nameof(Wrong))]
    public void A_value_out_of_range_is_named(SamplingParams p, string name) =>
        Assert.That(p.Validate, Throws.ArgumentException.With.Message.Contains(name));

    [Test]
    public void The_names_of_vLLM_and_OpenAI_are_read()
    {
        var p = SamplingParams.FromDictionary(new Dictionary<string, object?>
        {
            ["temperature"] = 0.5, ["top_p"] = 0.9, ["top_k"] = 5, ["max_tokens"] = null, ["stop"] = "END", ["stop_token_ids"] = new[] { 7 },
            ["seed"] = -1, ["ignore_eos"] = true, ["logit_bias"] = new Dictionary<string, double> { ["3"] = 200 },
        });
        Assert.That((p.Temperature, p.TopP, p.TopK, p.MaxTokens, p.Seed, p.IgnoreEos), Is.EqualTo((0.5, 0.9, 5, (int?)null, (long?)null, true)));
        Assert.That(p.Stop, Is.EqualTo((string[])["END"]));
        Assert.That(p.StopTokenIds, Is.EqualTo((int[])[7]));
        Assert.That(p.LogitBias![3], Is.EqualTo(100));
    }

    [Test]
    public void Every_name_is_read()
    {
        const string Json = """
            {"n": 1, "best_of": 3, "output_kind": "final_only", "logprobs": 2, "prompt_logprobs": true, "logprob_token_ids": [4, 5], "detokenize": true,
             "spaces_between_special_tokens": false, "skip_reading_prefix_cache": true, "truncate_prompt_tokens": -1, "stream_interval": 3,
             "bad_words": ["x"], "temperature": null, "presence_penalty": null,
             "repetition_detection": {"max_pattern_size": 5, "min_pattern_size": 2, "min_count": 3}}
            """;
        var p = SamplingParams.FromJson(JsonDocument.Parse(Json).RootElement);
        Assert.That((p.N, p.BestOf, p.OutputKind, p.Logprobs, p.PromptLogprobs), Is.EqualTo((1, (int?)3, OutputKind.FinalOnly, (int?)2, (int?)1)));
        Assert.That((p.SpacesBetweenSpecialTokens, p.SkipReadingPrefixCache, p.TruncatePromptTokens, p.StreamInterval), Is.EqualTo((false, (bool?)true, (int?)-1, (int?)3)));
        Assert.That(p.RepetitionDetection, Is.EqualTo(new RepetitionDetectionParams(5, 2, 3)));
        Assert.That((p.LogprobTokenIds, p.BadWords, p.Temperature), Is.EqualTo((new[] { 4, 5 }, new[] { "x" }, 1.0)));
    }

    [Test]
    public void Given_defaults_hold_where_nothing_is_said()
    {
        var p = SamplingParams.FromDictionary(new Dictionary<string, object?> { ["top_k"] = 3 }, new SamplingParams { Temperature = 0 });
        Assert.That((p.Temperature, p.TopK), Is.EqualTo((0.0, 3)));
    }

    [TestCase("""{"max_token": 5}""", "'max_tokens'")]
    [TestCase("""{"topp": 0.5}""", "'top_p'")]
    [TestCase("""{"temprature": 0.5}""", "'temperature'")]
    public void An_unknown_name_is_an_error_that_suggests_the_nearest(string json, string nearest) =>
        Assert.That(() => SamplingParams.FromJson(JsonDocument.Parse(json).RootElement), Throws.ArgumentException.With.Message.Contains(nearest));

    [TestCase("""{"max_tokens": "many"}""", "max_tokens")]
    [TestCase("""{"stop": 5}""", "stop")]
    [TestCase("""{"top_k": 1.5}""", "top_k")]
    [TestCase("""{"seed": 1e300}""", "seed")]
    [TestCase("""[1]""", "object")]
    [TestCase("""{"logit_bias": {"x": 1}}""", "logit_bias")]
    public void A_value_of_the_wrong_kind_is_an_error_that_names_it(string json, string name) =>
        Assert.That(() => SamplingParams.FromJson(JsonDocument.Parse(json).RootElement), Throws.ArgumentException.With.Message.Contains(name));
}
