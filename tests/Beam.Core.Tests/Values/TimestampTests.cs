using PropertyAttribute = FsCheck.NUnit.PropertyAttribute;

namespace Beam.Core.Tests.Values;

public class TimestampTests
{
    [Test]
    public void Arithmetic_stops_at_the_ends_of_time()
    {
        Assert.That(Timestamp.MaxValue + TimeSpan.FromDays(1), Is.EqualTo(Timestamp.MaxValue));
        Assert.That(Timestamp.MinValue - TimeSpan.MaxValue, Is.EqualTo(Timestamp.MinValue));
        Assert.That(Timestamp.MinValue - TimeSpan.MinValue, Is.GreaterThan(Timestamp.MinValue));
        Assert.That(Timestamp.MaxValue - Timestamp.MinValue, Is.EqualTo(TimeSpan.MaxValue));
        Assert.That(Timestamp.MaxValue - Timestamp.EndOfGlobalWindow, Is.EqualTo(TimeSpan.FromDays(1)));
    }

    [Property]
    public void An_instant_comes_back_cut_to_milliseconds(DateTimeOffset instant) =>
        Assert.That(Timestamp.FromDateTimeOffset(instant).ToDateTimeOffset().ToUnixTimeMilliseconds(), Is.EqualTo(instant.ToUnixTimeMilliseconds()));

    [Test]
    public void What_a_DateTimeOffset_cannot_hold_is_an_error_that_says_so() =>
        Assert.That(() => Timestamp.MinValue.ToDateTimeOffset(), Throws.InvalidOperationException.With.Message.Contains("Timestamp.MinValue"));

    [Test]
    public void A_value_outside_of_Beams_range_is_refused() =>
        Assert.That(() => Timestamp.FromMilliseconds(long.MaxValue), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void Text_is_ISO_8601() =>
        Assert.That(new DateTimeOffset(2026, 1, 2, 3, 4, 5, 6, TimeSpan.Zero) is var t ? Timestamp.FromDateTimeOffset(t).ToString() : "", Is.EqualTo("2026-01-02T03:04:05.006Z"));

    [Test]
    public void Interval_windows_compare_by_value_and_join()
    {
        IntervalWindow Of(long start, long end) => new(Timestamp.FromMilliseconds(start), Timestamp.FromMilliseconds(end));
        Assert.That(Of(0, 10), Is.EqualTo(Of(0, 10)));
        Assert.That(Of(0, 10).Intersects(Of(10, 20)), Is.False);
        Assert.That(Of(0, 11).Intersects(Of(10, 20)), Is.True);
        Assert.That(Of(0, 11).Span(Of(10, 20)), Is.EqualTo(Of(0, 20)));
        Assert.That(Of(0, 10).MaxTimestamp, Is.EqualTo(Timestamp.FromMilliseconds(9)));
        Assert.That(() => Of(1, 0), Throws.ArgumentException);
    }

    [Test]
    public void The_default_pane_is_no_firing()
    {
        Assert.That(default(PaneInfo), Is.EqualTo(PaneInfo.NoFiring));
        var pane = PaneInfo.NoFiring;
        Assert.That((pane.IsFirst, pane.IsLast, pane.Timing, pane.Index, pane.NonSpeculativeIndex), Is.EqualTo((true, true, PaneTiming.Unknown, 0L, 0L)));
    }
}
