using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Server.Tests;

/// <summary>vLLM's <c>use_beam_search</c>, against the engine's own search.</summary>
public sealed class BeamSearchTests
{
    [Test]
    public async Task Completions_are_the_beams_best_first()
    {
        await using var server = await TestServer.StartAsync();
        var expected = await server.Engine.BeamSearchAsync(TestServer.Question, new BeamSearchParams { BeamWidth = 3, MaxTokens = 8, LengthPenalty = 2 });
        var answer = await server.PostAsync(
            "/v1/completions", new { prompt = TestServer.Question, max_tokens = 8, use_beam_search = true, n = 3, temperature = 0, length_penalty = 2, logprobs = 2 });
        Assert.That(Enumerable.Range(0, 3).Select(i => answer.Text("choices", i, "text")), Is.EqualTo(expected.Outputs.Select(o => o.Text)));
        Assert.That(Enumerable.Range(0, 3).Select(i => answer.Text("choices", i, "finish_reason")), Is.EqualTo(expected.Outputs.Select(o => o.FinishReason)));
        Assert.That(answer.At("choices").GetArrayLength(), Is.EqualTo(3));
        Assert.That(answer.At("usage", "completion_tokens").GetInt32(), Is.EqualTo(expected.Metrics.OutputTokens));
        var logprobs = answer.At("choices", 0, "logprobs");
        Assert.That(logprobs.At("token_logprobs").EnumerateArray().Sum(l => l.GetDouble()), Is.EqualTo(expected.Outputs[0].Logprobs!.Sum(p => p.Token.Logprob)).Within(1e-3));
        Assert.That(logprobs.At("top_logprobs").EnumerateArray().Select(t => t.EnumerateObject().Count()), Is.All.InRange(1, 3));
    }

    [Test]
    public async Task Of_a_beam_as_wide_as_best_of_n_come_out()
    {
        await using var server = await TestServer.StartAsync();
        var wide = await server.Engine.BeamSearchAsync(TestServer.Question, new BeamSearchParams { BeamWidth = 4, MaxTokens = 8 });
        var answer = await server.PostAsync(
            "/v1/completions", new { prompt = new[] { TestServer.Question, "What is 2 plus 2?" }, max_tokens = 8, use_beam_search = true, n = 2, best_of = 4 });
        Assert.That(Enumerable.Range(0, 2).Select(i => answer.Text("choices", i, "text")), Is.EqualTo(wide.Outputs.Take(2).Select(o => o.Text)));
        Assert.That(answer.At("choices").EnumerateArray().Select(c => c.At("index").GetInt32()), Is.EqualTo(new[] { 0, 1, 2, 3 }));
    }

    [Test]
    public async Task A_chat_is_answered_by_a_search_as_well()
    {
        await using var server = await TestServer.StartAsync();
        var messages = new[] { new { role = "user", content = TestServer.Question } };
        var answer = await server.PostAsync("/v1/chat/completions", new { messages, max_tokens = 8, use_beam_search = true, n = 2, return_token_ids = true });
        var prompt = answer.At("prompt_token_ids").EnumerateArray().Select(t => t.GetInt32()).ToArray();
        var expected = await server.Engine.BeamSearchAsync(prompt, new BeamSearchParams { BeamWidth = 2, MaxTokens = 8 });
        Assert.That(Enumerable.Range(0, 2).Select(i => answer.Text("choices", i, "message", "content")), Is.EqualTo(expected.Outputs.Select(o => o.Text)));
        Assert.That(answer.At("choices", 0, "token_ids").EnumerateArray().Select(t => t.GetInt32()), Is.EqualTo(expected.TokenIds));
    }
}
