using System.Buffers.Binary;

namespace Beam.Runner.Direct.Engine;

/// <summary>GroupByKey over session windows: the overlapping windows of a key become one.</summary>
internal static class SessionGrouping
{
    private readonly record struct Session(long Start, long End, long Timestamp);

    public static List<Chunk> Run(GroupByKeyStage stage, IEnumerable<Chunk> input, CancellationToken cancellationToken)
    {
        // Grouped by key alone; sessions[i] is the window of the table's value i.
        var table = new GroupTable();
        var sessions = new PagedList<Session>();
        table.Read(
            stage.Input,
            input,
            (window, in element) =>
            {
                var end = BeamTime.Read(window);
                var position = 8;
                var span = Varint.Read(window, ref position);
                table.Add(0, element);
                sessions.Add(new Session(end - (long)span, end, element.Timestamp));
            },
            cancellationToken);

        var writer = new ElementWriter();
        var values = new List<int>();
        for (var i = 0; i < table.Count; i++)
        {
            if ((i & 0xfff) == 0) cancellationToken.ThrowIfCancellationRequested();
            ref var group = ref table[i];
            values.Clear();
            for (var v = group.First; v >= 0; v = table.ValueAt(v).Next) values.Add(v);
            // Values are numbered in the order in which they came, which decides among equals.
            values.Sort((a, b) =>
            {
                var order = sessions[a].Start.CompareTo(sessions[b].Start);
                return order != 0 ? order : a.CompareTo(b);
            });
            for (var first = 0; first < values.Count;)
            {
                var end = sessions[values[first]].End;
                var next = first + 1;
                // Windows that only touch stay apart.
                for (; next < values.Count && sessions[values[next]].Start < end; next++) end = Math.Max(end, sessions[values[next]].End);
                Write(writer, stage, table, group, sessions, values[first..next], end);
                first = next;
            }
        }

        return writer.Finish();
    }

    private static void Write(
        ElementWriter writer, GroupByKeyStage stage, GroupTable table, in GroupTable.Group group, PagedList<Session> sessions, List<int> values, long end)
    {
        long bytes = 0;
        var timestamp = sessions[values[0]].Timestamp;
        foreach (var v in values)
        {
            bytes += table.ValueAt(v).Length;
            timestamp = GroupByKey.Combine(stage.Timestamps, timestamp, sessions[v].Timestamp);
        }

        if (stage.Timestamps == GroupTimestamp.EndOfWindow) timestamp = end - 1;
        Span<byte> window = stackalloc byte[18];
        BeamTime.Write(window, end);
        window = window[..(8 + Varint.Write(window[8..], (ulong)(end - sessions[values[0]].Start)))];

        var key = table.Key(group);
        var value = writer.Begin(timestamp, window, ElementWriter.OnlyPane, key.Length + 4 + bytes);
        key.CopyTo(value);
        BinaryPrimitives.WriteInt32BigEndian(value[key.Length..], values.Count);
        value = value[(key.Length + 4)..];
        foreach (var v in values)
        {
            var next = table.Bytes(table.ValueAt(v));
            next.CopyTo(value);
            value = value[next.Length..];
        }
    }
}
