using System.Globalization;
using System.Text;
using Beam.Metrics;

namespace Beam.ML.Inference;

/// <summary>What a run's metrics say of its inference.</summary>
/// <param name="Elements">Elements that have a prediction.</param>
/// <param name="Failed">Elements that have none, and came out as failures.</param>
/// <param name="PromptTokens">Tokens of the prompts; 0 if the model has none.</param>
/// <param name="OutputTokens">Tokens of the answers; 0 if the model has none.</param>
/// <param name="Latency">Microseconds of a call.</param>
/// <param name="QueueTime">Microseconds that a request waited in the engine.</param>
/// <param name="TimeToFirstToken">Microseconds to the first token.</param>
/// <param name="MeanBatchSize">How many requests the engine computed at a time, on average; NaN if it does not say.</param>
/// <param name="Hosts">The processes that answered, each with the worker that owns it.</param>
/// <param name="Workers">The workers that asked.</param>
public sealed record InferenceSummary(
    long Elements, long Failed, long PromptTokens, long OutputTokens, DistributionResult Latency, DistributionResult QueueTime,
    DistributionResult TimeToFirstToken, double MeanBatchSize, IReadOnlyList<string> Hosts, IReadOnlyList<string> Workers)
{
    /// <summary>Reads the metrics of all inference steps, or of those of one namespace.</summary>
    public static InferenceSummary Of(MetricResults metrics, string? ns = null)
    {
        return new InferenceSummary(
            Counter(InferenceMetricNames.NumInferences), Counter(InferenceMetricNames.NumFailedElements), Counter(InferenceMetricNames.PromptTokens),
            Counter(InferenceMetricNames.OutputTokens), Distribution(InferenceMetricNames.BatchLatency), Distribution(InferenceMetricNames.QueueTime),
            Distribution(InferenceMetricNames.TimeToFirstToken), MeanBatchSizeOf(),
            StringSet(InferenceMetricNames.EngineHosts), StringSet(InferenceMetricNames.Workers));

        List<string> StringSet(string name) =>
            [.. metrics.Query(ns, name).StringSets.SelectMany(set => set.Committed).Distinct().Order(StringComparer.Ordinal)];

        long Counter(string name) => metrics.Query(ns, name).Counters.Sum(counter => counter.Committed);

        DistributionResult Distribution(string name) =>
            metrics.Query(ns, name).Distributions.Aggregate(DistributionResult.Empty, (all, one) => all.Merge(one.Committed));

        double MeanBatchSizeOf()
        {
            var inEngine = Distribution(InferenceMetricNames.EngineBatchSize);
            return inEngine.Count > 0 ? inEngine.Mean / InferenceMetricNames.EngineBatchSizeScale : Distribution(InferenceMetricNames.BatchSize).Mean;
        }
    }

    /// <summary>The summary as a few lines of text.</summary>
    /// <param name="elapsed">How long the run took.</param>
    public string ToText(TimeSpan elapsed)
    {
        var seconds = Math.Max(elapsed.TotalSeconds, 1e-3);
        var text = new StringBuilder();
        Line("elements", $"{Elements} answered{(Failed == 0 ? "" : $", {Failed} failed")}, {Elements / seconds:0.0} prompts/s");
        if (OutputTokens > 0) Line("tokens", $"{OutputTokens} out ({OutputTokens / seconds:0} tokens/s), {PromptTokens} in");
        if (!double.IsNaN(MeanBatchSize)) Line("mean batch size", $"{MeanBatchSize:0.0}");
        if (TimeToFirstToken.Count > 0) Line("first token", $"after {TimeToFirstToken.Mean / 1000:0} ms on average, {TimeToFirstToken.Max / 1000.0:0} ms at most");
        if (Hosts.Count > 0) Line(Hosts.Count == 1 ? "engine host" : "engine hosts", $"{string.Join("; ", Hosts)}");
        if (Workers.Count > 0) Line("workers", $"{Workers.Count} ({string.Join(", ", Workers)})");
        Line("wall time", $"{elapsed.TotalSeconds:0.0} s");
        return text.ToString();

        void Line(string name, FormattableString value) =>
            text.Append(CultureInfo.InvariantCulture, $"{name,-16} {value.ToString(CultureInfo.InvariantCulture)}").AppendLine();
    }
}

/// <summary>What a result's metrics say of its inference.</summary>
public static class InferenceSummaryExtensions
{
    /// <summary>A summary of the inference of a run.</summary>
    public static InferenceSummary SummarizeInference(this PipelineResult result) => InferenceSummary.Of(result.Metrics);
}
