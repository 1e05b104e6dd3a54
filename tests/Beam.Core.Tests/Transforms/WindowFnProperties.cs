using Beam.Model.Pipeline;
using Beam.Translation;
using Google.Protobuf;
using NUnit.Framework;
using PropertyAttribute = FsCheck.NUnit.PropertyAttribute;

namespace Beam.Core.Tests.Transforms;

public sealed class WindowFnProperties
{
    [Property]
    public void A_fixed_window_holds_its_timestamp_and_has_its_size(int milliseconds, ushort size, ushort offset)
    {
        var length = TimeSpan.FromMilliseconds(size + 1);
        var fn = new FixedWindows(length, TimeSpan.FromMilliseconds(offset % (size + 1)));
        var windows = fn.Assign(Timestamp.FromMilliseconds(milliseconds)).Cast<IntervalWindow>().ToArray();
        Assert.That(windows, Has.Length.EqualTo(1));
        Assert.That(windows[0].Contains(Timestamp.FromMilliseconds(milliseconds)));
        Assert.That(windows[0].End - windows[0].Start, Is.EqualTo(length));
        Assert.That((windows[0].Start.Milliseconds - (offset % (size + 1))) % (size + 1), Is.Zero);
    }

    [Property]
    public void A_timestamp_is_in_every_sliding_window_that_holds_it(int milliseconds, byte size, byte period)
    {
        var (length, step) = (size + 1, period + 1);
        var timestamp = Timestamp.FromMilliseconds(milliseconds);
        var windows = SlidingWindows.Of(TimeSpan.FromMilliseconds(length), TimeSpan.FromMilliseconds(step)).Assign(timestamp).Cast<IntervalWindow>().ToArray();
        Assert.That(windows, Has.All.Matches<IntervalWindow>(w => w!.Contains(timestamp)));
        Assert.That(windows.Distinct().Count(), Is.EqualTo(windows.Length));
        var expected = Enumerable.Range(-length, 2 * length + 1).Count(d => Math.Floor((milliseconds + (double)d) / step) * step == milliseconds + d && d <= 0 && d > -length);
        Assert.That(windows, Has.Length.EqualTo(expected));
        if (length % step == 0) Assert.That(windows, Has.Length.EqualTo(length / step));
    }

    [Property]
    public void A_session_begins_at_its_timestamp_and_lasts_the_gap(int milliseconds, ushort gap)
    {
        var window = (IntervalWindow)Sessions.WithGap(TimeSpan.FromMilliseconds(gap + 1)).Assign(Timestamp.FromMilliseconds(milliseconds)).Single();
        Assert.That((window.Start.Milliseconds, window.End.Milliseconds), Is.EqualTo(((long)milliseconds, (long)milliseconds + gap + 1)));
    }

    [Property]
    public void A_side_input_in_fixed_windows_is_read_where_the_main_window_ends(int milliseconds, byte size)
    {
        var fn = FixedWindows.Of(TimeSpan.FromMilliseconds(size + 1));
        var window = fn.Assign(Timestamp.FromMilliseconds(milliseconds)).Single();
        Assert.That(fn.SideInputWindow(window), Is.EqualTo(window));
        Assert.That(GlobalWindows.Instance.SideInputWindow(window), Is.SameAs(GlobalWindow.Instance));
    }

    [Property]
    public void A_side_input_in_the_same_sliding_windows_is_read_in_the_same_window(int milliseconds, byte size, byte period)
    {
        var fn = SlidingWindows.Of(TimeSpan.FromMilliseconds(size + 1 + period), TimeSpan.FromMilliseconds(period + 1));
        foreach (var window in fn.Assign(Timestamp.FromMilliseconds(milliseconds))) Assert.That(fn.SideInputWindow(window), Is.EqualTo(window));
    }

    [TestCase(0)]
    [TestCase(-1)]
    [TestCase(0.5)]
    public void Windows_of_lengths_that_make_no_sense_are_refused(double milliseconds)
    {
        var (wrong, second) = (TimeSpan.FromMilliseconds(milliseconds), TimeSpan.FromSeconds(1));
        Assert.Multiple(() =>
        {
            Assert.Throws<ArgumentException>(() => _ = new FixedWindows(wrong));
            Assert.Throws<ArgumentException>(() => _ = FixedWindows.Of(second) with { Size = wrong });
            Assert.Throws<ArgumentException>(() => _ = new SlidingWindows(wrong, second));
            Assert.Throws<ArgumentException>(() => _ = new SlidingWindows(second, wrong));
            Assert.Throws<ArgumentException>(() => _ = SlidingWindows.Of(second, second) with { Period = wrong });
            Assert.Throws<ArgumentException>(() => _ = new Sessions(wrong));
            Assert.Throws<ArgumentException>(() => _ = Sessions.WithGap(second) with { Gap = wrong });
        });
    }

    [TestCase(-1)]
    [TestCase(0.5)]
    [TestCase(1000)]
    public void Offsets_that_make_no_sense_are_refused(double milliseconds)
    {
        var (wrong, second) = (TimeSpan.FromMilliseconds(milliseconds), TimeSpan.FromSeconds(1));
        Assert.Throws<ArgumentException>(() => _ = new FixedWindows(second, wrong));
        Assert.Throws<ArgumentException>(() => _ = new SlidingWindows(2 * second, second, wrong));
    }

    [Test]
    public void Windows_of_another_sdk_that_make_no_sense_are_refused_by_their_urn()
    {
        var zero = new Google.Protobuf.WellKnownTypes.Duration();
        var second = new Google.Protobuf.WellKnownTypes.Duration { Seconds = 1 };
        var endless = new Google.Protobuf.WellKnownTypes.Duration { Seconds = long.MaxValue };
        Assert.Multiple(() =>
        {
            Refuses("fixed_windows", new FixedWindowsPayload { Size = zero });
            Refuses("fixed_windows", new FixedWindowsPayload());
            Refuses("fixed_windows", new FixedWindowsPayload { Size = endless });
            Refuses("fixed_windows", new FixedWindowsPayload { Size = second, Offset = new() { Seconds = long.MaxValue } });
            Refuses("sliding_windows", new SlidingWindowsPayload { Size = second, Period = zero });
            Refuses("sliding_windows", new SlidingWindowsPayload { Size = second });
            Refuses("session_windows", new SessionWindowsPayload { GapSize = zero });
        });

        static void Refuses(string name, IMessage payload)
        {
            var spec = new FunctionSpec { Urn = $"beam:window_fn:{name}:v1", Payload = payload.ToByteString() };
            Assert.That(() => WindowingTranslation.WindowFnFromProto(spec), Throws.TypeOf<InvalidDataException>().With.Message.Contains(spec.Urn));
        }
    }

    [Test]
    public void Windows_at_the_ends_of_time_stay_within_it()
    {
        var day = TimeSpan.FromDays(1);
        foreach (var timestamp in new[] { Timestamp.MinValue, Timestamp.MaxValue })
        {
            foreach (var fn in new WindowFn[] { FixedWindows.Of(day), SlidingWindows.Of(day, day / 2), Sessions.WithGap(day) })
            {
                foreach (var window in fn.Assign(timestamp).Cast<IntervalWindow>())
                {
                    Assert.That(window.Start, Is.GreaterThanOrEqualTo(Timestamp.MinValue));
                    Assert.That(window.End, Is.LessThanOrEqualTo(Timestamp.MaxValue));
                }
            }
        }
    }
}
