using Beam.Model.Pipeline;
using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Workers;

/// <summary>Metrics as harnesses report them.</summary>
internal static class MonitoringInfos
{
    private const string ReadIndex = "beam:metric:data_channel:read_index:v1";

    public static IReadOnlyList<MetricUpdate> ToMetrics(IEnumerable<MonitoringInfo> infos) =>
        [.. infos.Select(info => new MetricUpdate(info.Urn, info.Type, info.Labels, info.Payload.Memory))];

    /// <summary>How many elements a bundle has read from its input; null if the harness does not say.</summary>
    public static long? ElementsRead(IEnumerable<MetricUpdate> metrics)
    {
        long? read = null;
        foreach (var metric in metrics)
        {
            if (metric.Urn != ReadIndex) continue;
            var position = 0;
            read = (read ?? 0) + (long)Varint.Read(metric.Payload.Span, ref position);
        }

        return read;
    }
}
