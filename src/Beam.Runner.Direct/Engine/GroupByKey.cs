using System.Buffers.Binary;

namespace Beam.Runner.Direct.Engine;

/// <summary>
/// Groups a complete dataset: one on-time pane, the first and last, for each key and window. Keys are equal when their encodings are.
/// </summary>
internal static class GroupByKey
{
    public static List<Chunk> Run(GroupByKeyStage stage, IEnumerable<Chunk> input, CancellationToken cancellationToken) =>
        stage.MergesSessions
            ? SessionGrouping.Run(stage, input, cancellationToken)
            : GroupByWindow(stage, input, cancellationToken);

    private static List<Chunk> GroupByWindow(GroupByKeyStage stage, IEnumerable<Chunk> input, CancellationToken cancellationToken)
    {
        var table = new GroupTable();
        var windows = new WindowTable();
        table.Read(
            stage.Input,
            input,
            (window, in element) =>
            {
                ref var group = ref table.Add(windows.GetOrAdd(window), element);
                group.Timestamp = group.Count == 1 ? element.Timestamp : Combine(stage.Timestamps, group.Timestamp, element.Timestamp);
            },
            cancellationToken);

        var writer = new ElementWriter();
        for (var i = 0; i < table.Count; i++)
        {
            if ((i & 0xffff) == 0) cancellationToken.ThrowIfCancellationRequested();
            ref var group = ref table[i];
            var window = windows[group.Window];
            var timestamp = stage.Timestamps == GroupTimestamp.EndOfWindow
                ? MaxTimestamp(stage.Input.Windows, window, group.Timestamp)
                : group.Timestamp;
            var key = table.Key(group);
            var value = writer.Begin(timestamp, window, ElementWriter.OnlyPane, key.Length + 4 + group.Bytes);
            key.CopyTo(value);
            value = value[key.Length..];
            BinaryPrimitives.WriteInt32BigEndian(value, group.Count);
            value = value[4..];
            for (var v = group.First; v >= 0; v = table.ValueAt(v).Next)
            {
                var bytes = table.Bytes(table.ValueAt(v));
                bytes.CopyTo(value);
                value = value[bytes.Length..];
            }
        }

        return writer.Finish();
    }

    public static long Combine(GroupTimestamp combiner, long a, long b) => combiner == GroupTimestamp.Earliest ? Math.Min(a, b) : Math.Max(a, b);

    /// <summary>The last timestamp of a window; <paramref name="latest"/> where only the SDK could tell.</summary>
    private static long MaxTimestamp(WindowFormat format, ReadOnlySpan<byte> window, long latest)
    {
        switch (format)
        {
            case WindowFormat.Global:
                return BeamTime.EndOfGlobalWindow;
            case WindowFormat.Interval:
                return BeamTime.Read(window) - 1;
            case WindowFormat.OpaqueWithMaxTimestamp:
                var start = 0;
                return Varint.Read(window, ref start) >= 8 ? BeamTime.Read(window[start..]) : latest;
            default:
                return latest;
        }
    }
}
