using System.Globalization;
using System.Text.RegularExpressions;

namespace Beam.ML.Vllm.Server.Tests;

public sealed partial class MetricsTests
{
    [Test]
    public async Task The_page_is_Prometheus_text_with_vLLMs_names()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ServedModelNames = ["a \"quoted\" name"] });
        await server.PostAsync("/v1/completions", new { prompt = TestServer.Question, max_tokens = 5, temperature = 0, ignore_eos = true });
        await server.UntilIdleAsync();
        using var response = await server.Client.GetAsync("/metrics");
        Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo("text/plain; version=0.0.4; charset=utf-8"));
        var lines = (await response.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(lines.Where(line => !Line().IsMatch(line)), Is.Empty);
        Assert.That(Value("vllm:generation_tokens_total"), Is.EqualTo(5));
        Assert.That(Value("vllm:num_requests_running"), Is.Zero);
        Assert.That(Value("vllm:kv_cache_usage_perc"), Is.InRange(0, 1));
        Assert.That(Value("vllm:time_to_first_token_seconds_count"), Is.EqualTo(1));
        Assert.That(Value("vllm:e2e_request_latency_seconds_bucket", "le=\"+Inf\""), Is.EqualTo(1));
        Assert.That(Value("vllm:request_success_total", "finished_reason=\"length\""), Is.EqualTo(1));
        Assert.That(lines.Where(line => line.StartsWith("vllm:", StringComparison.Ordinal)), Is.All.Contain("model_name=\"a \\\"quoted\\\" name\""));

        double Value(string name, string label = "") =>
            double.Parse(lines.Single(line => line.StartsWith(name + "{", StringComparison.Ordinal) && line.Contains(label, StringComparison.Ordinal)).Split(' ')[^1], CultureInfo.InvariantCulture);
    }

    [GeneratedRegex("""^(# (HELP|TYPE) vllm:[a-z0-9_]+ .+|vllm:[a-z0-9_]+\{([a-z_]+="([^"\\\n]|\\.)*",?)*\} [-+0-9.eE]+)$""")]
    private static partial Regex Line();
}
