using System.Globalization;
using System.Text;
using Beam.ML.Vllm.Server.Hosting;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/metrics: the engine's state and counts in Prometheus's text format, under vLLM's names.</summary>
internal sealed class MetricsEndpoint(ServerContext server) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.Get;

    public async Task HandleAsync(HttpContext http)
    {
        var text = new StringBuilder();
        var stats = server.Engine.Stats;
        Gauge("num_requests_running", "Requests that the engine computes.", stats.RunningRequests);
        Gauge("num_requests_waiting", "Requests that wait to be computed.", stats.WaitingRequests);
        Gauge("kv_cache_usage_perc", "The part of the cache's blocks in use; 1 is all of it.", stats.KvCacheUsage);
        Counter("prefix_cache_queries", "Tokens looked up in the prefix cache.", stats.PrefixCacheQueries);
        Counter("prefix_cache_hits", "Tokens found in the prefix cache.", stats.PrefixCacheHits);
        Counter("num_preemptions", "Requests preempted.", stats.Preemptions);
        Counter("prompt_tokens", "Tokens of prompts.", stats.PromptTokens);
        Counter("generation_tokens", "Tokens generated.", stats.GenerationTokens);

        http.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await http.Response.WriteAsync(text.ToString(), http.RequestAborted);

        void Gauge(string name, string help, double value) => Line(name, "gauge", name, help, value);

        void Counter(string name, string help, double value) => Line(name, "counter", name + "_total", help, value);

        void Line(string name, string type, string sample, string help, double value) => text.Append(CultureInfo.InvariantCulture,
            $"# HELP vllm:{sample} {help}\n# TYPE vllm:{sample} {type}\nvllm:{sample}{{engine=\"0\",model_name=\"{Escape(server.Models.Names[0])}\"}} {value:R}\n");
    }

    private static string Escape(string label) => label.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
