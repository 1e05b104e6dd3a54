using Beam.Model.Pipeline;
using Google.Protobuf;

namespace Beam.Translation;

/// <summary>Windowing strategies and window functions to and from their portable forms.</summary>
internal static class WindowingTranslation
{
    public static Model.Pipeline.WindowingStrategy ToProto(WindowingStrategy strategy, string windowCoderId, string environmentId) => new()
    {
        WindowFn = strategy.WindowFn.ToProto(),
        MergeStatus = !strategy.WindowFn.IsMerging ? MergeStatus.Types.Enum.NonMerging
            : strategy.IsAlreadyMerged ? MergeStatus.Types.Enum.AlreadyMerged
            : MergeStatus.Types.Enum.NeedsMerge,
        WindowCoderId = windowCoderId,
        Trigger = strategy.FiresPerElement ? new Trigger { Always = new Trigger.Types.Always() } : new Trigger { Default = new Trigger.Types.Default() },
        AccumulationMode = AccumulationMode.Types.Enum.Discarding,
        OutputTime = strategy.TimestampCombiner switch
        {
            TimestampCombiner.Earliest => OutputTime.Types.Enum.EarliestInPane,
            TimestampCombiner.Latest => OutputTime.Types.Enum.LatestInPane,
            _ => OutputTime.Types.Enum.EndOfWindow,
        },
        ClosingBehavior = ClosingBehavior.Types.Enum.EmitIfNonempty,
        OnTimeBehavior = OnTimeBehavior.Types.Enum.FireIfNonempty,
        AllowedLateness = (long)strategy.AllowedLateness.TotalMilliseconds,
        AssignsToOneWindow = strategy.WindowFn.AssignsToOneWindow,
        EnvironmentId = environmentId,
    };

    /// <summary>The window function of a spec; null for one that this SDK does not know.</summary>
    /// <exception cref="InvalidDataException">The payload is none, or its windows make no sense.</exception>
    public static WindowFn? WindowFnFromProto(FunctionSpec spec)
    {
        try
        {
            switch (spec.Urn)
            {
                case "beam:window_fn:global_windows:v1":
                    return GlobalWindows.Instance;
                case "beam:window_fn:fixed_windows:v1":
                    var @fixed = FixedWindowsPayload.Parser.ParseFrom(spec.Payload);
                    return new FixedWindows(Length(@fixed.Size), FromEpoch(@fixed.Offset));
                case "beam:window_fn:sliding_windows:v1":
                    var sliding = SlidingWindowsPayload.Parser.ParseFrom(spec.Payload);
                    return new SlidingWindows(Length(sliding.Size), Length(sliding.Period), FromEpoch(sliding.Offset));
                case "beam:window_fn:session_windows:v1":
                    return new Sessions(Length(SessionWindowsPayload.Parser.ParseFrom(spec.Payload).GapSize));
                default:
                    return null;
            }
        }
        catch (Exception e) when (e is ArgumentException or OverflowException or InvalidOperationException or InvalidProtocolBufferException)
        {
            throw new InvalidDataException($"The payload of {spec.Urn} makes no windows: {e.Message}", e);
        }
    }

    private static TimeSpan Length(Google.Protobuf.WellKnownTypes.Duration? length) => length?.ToTimeSpan() ?? TimeSpan.Zero;

    private static TimeSpan FromEpoch(Google.Protobuf.WellKnownTypes.Timestamp? offset) =>
        offset is null ? TimeSpan.Zero : TimeSpan.FromSeconds(offset.Seconds) + TimeSpan.FromTicks(offset.Nanos / 100);
}
