using Beam.Coders;
using Beam.Metrics;
using Beam.Model;
using Beam.Model.Pipeline;
using Google.Protobuf;

namespace Beam.Harness;

/// <summary>Metrics in the form in which runners take them.</summary>
internal static class MonitoringInfos
{
    public static MonitoringInfo Sum(string urn, long value, params ReadOnlySpan<(string Label, string Value)> labels) =>
        Create(urn, BeamUrns.MonitoringTypes.SumInt64, Payload(w => w.WriteVarint(value)), labels);

    public static MonitoringInfo Distribution(string urn, DistributionResult value, params ReadOnlySpan<(string Label, string Value)> labels) =>
        Create(urn, BeamUrns.MonitoringTypes.DistributionInt64, Payload(w =>
        {
            w.WriteVarint(value.Count);
            w.WriteVarint(value.Sum);
            w.WriteVarint(value.Min);
            w.WriteVarint(value.Max);
        }), labels);

    /// <summary>The user's metrics of one transform.</summary>
    public static void AddUser(ICollection<MonitoringInfo> infos, string transformId, MetricsContainer metrics)
    {
        foreach (var (name, cell) in metrics.Counters)
            infos.Add(Sum(BeamUrns.Metrics.UserSumInt64, cell.Value, Labels(name)));
        foreach (var (name, cell) in metrics.Distributions)
        {
            if (cell.Value is { Count: > 0 } value) infos.Add(Distribution(BeamUrns.Metrics.UserDistributionInt64, value, Labels(name)));
        }

        foreach (var (name, cell) in metrics.Gauges)
        {
            if (cell.Value is not { } latest) continue;
            infos.Add(Create(BeamUrns.Metrics.UserLatestInt64, BeamUrns.MonitoringTypes.LatestInt64, Payload(w =>
            {
                w.WriteVarint(latest.Timestamp.Milliseconds);
                w.WriteVarint(latest.Value);
            }), Labels(name)));
        }

        foreach (var (name, cell) in metrics.StringSets)
        {
            infos.Add(Create(BeamUrns.Metrics.UserSetString, BeamUrns.MonitoringTypes.SetString, Payload(w =>
            {
                var values = cell.Values;
                w.WriteBigEndianInt32(values.Count);
                foreach (var value in values) w.WriteLengthPrefixedUtf8(value);
            }), Labels(name)));
        }

        (string, string)[] Labels(MetricName name) =>
        [
            (BeamUrns.MetricLabels.Transform, transformId), (BeamUrns.MetricLabels.Namespace, name.Namespace), (BeamUrns.MetricLabels.Name, name.Name),
        ];
    }

    private static MonitoringInfo Create(string urn, string type, ByteString payload, ReadOnlySpan<(string Label, string Value)> labels)
    {
        var info = new MonitoringInfo { Urn = urn, Type = type, Payload = payload };
        foreach (var (label, value) in labels) info.Labels.Add(label, value);
        return info;
    }

    private static ByteString Payload(Action<CoderWriter> write)
    {
        using var writer = new CoderWriter(32);
        write(writer);
        return writer.ToByteString();
    }
}
