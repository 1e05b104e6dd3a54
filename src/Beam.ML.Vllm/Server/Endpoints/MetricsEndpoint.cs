using System.Globalization;
using System.Text;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Server.Hosting;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/metrics: the engine's metrics in Prometheus's text format, under vLLM's names.</summary>
internal sealed class MetricsEndpoint(ServerContext server) : IEndpoint
{
    private readonly string _labels = $"engine=\"0\",model_name=\"{Escape(server.Models.Names[0])}\"";

    public IReadOnlyList<string> Methods => EndpointMethods.Get;

    public Task HandleAsync(HttpContext http)
    {
        var text = new StringBuilder();
        foreach (var family in server.Engine.Metrics.Collect()) Write(text, family);
        http.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return http.Response.WriteAsync(text.ToString(), http.RequestAborted);
    }

    private void Write(StringBuilder text, MetricFamily family)
    {
        var name = family.Kind == MetricKind.Counter ? family.Name + "_total" : family.Name;
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {family.Help}\n# TYPE {name} {family.Kind.ToString().ToLowerInvariant()}\n");
        foreach (var sample in family.Samples)
        {
            var labels = _labels + string.Concat(sample.Labels.Select(label => $",{label.Key}=\"{Escape(label.Value)}\""));
            if (sample.Histogram is not { } histogram)
            {
                Line(name, labels, sample.Value);
                continue;
            }

            for (var i = 0; i < histogram.Bounds.Count; i++) Line(name + "_bucket", $"{labels},le=\"{Number(histogram.Bounds[i])}\"", histogram.CumulativeCounts[i]);
            Line(name + "_bucket", labels + ",le=\"+Inf\"", histogram.Count);
            Line(name + "_count", labels, histogram.Count);
            Line(name + "_sum", labels, histogram.Sum);
        }

        void Line(string metric, string labels, double value) => text.Append(CultureInfo.InvariantCulture, $"{metric}{{{labels}}} {Number(value)}\n");
    }

    /// <summary>As Python writes a float, so that a bound has one spelling whoever serves it.</summary>
    private static string Number(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        return value == Math.Floor(value) && Math.Abs(value) < 1e15 ? text + ".0" : text;
    }

    private static string Escape(string label) =>
        label.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
