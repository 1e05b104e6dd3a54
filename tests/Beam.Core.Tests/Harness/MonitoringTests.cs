using Beam.Coders;
using Beam.Model;
using Beam.Model.Pipeline;
using Google.Protobuf;
using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

public sealed class MonitoringTests
{
    internal static long Varint(ByteString payload)
    {
        var reader = new CoderReader(payload.Span);
        return reader.ReadVarint();
    }

    [Test]
    public async Task User_metrics_are_reported_with_their_transform_and_type()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new MeasureFn(), "First").ParallelDo(new MeasureFn(), "Second");
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "a", "bcd");
        var infos = (await bundle.Response).ProcessBundle.MonitoringInfos;
        foreach (var transform in (string[])["First", "Second"])
        {
            var sum = Find(infos, BeamUrns.Metrics.UserSumInt64, transform, "seen");
            Assert.That((sum.Type, Varint(sum.Payload)), Is.EqualTo((BeamUrns.MonitoringTypes.SumInt64, 22L)));

            var lengths = Find(infos, BeamUrns.Metrics.UserDistributionInt64, transform, "lengths");
            Assert.That(lengths.Payload.ToByteArray(), Is.EqualTo(new byte[] { 2, 4, 1, 3 }));

            var reader = new CoderReader(Find(infos, BeamUrns.Metrics.UserLatestInt64, transform, "last").Payload.Span);
            var at = Timestamp.FromMilliseconds(reader.ReadVarint());
            var latest = reader.ReadVarint();
            Assert.That(latest, Is.EqualTo(3));
            Assert.That(Timestamp.Now - at, Is.LessThan(TimeSpan.FromHours(1)));

            var words = Find(infos, BeamUrns.Metrics.UserSetString, transform, "words");
            Assert.That(words.Payload.ToByteArray(), Is.EqualTo(new byte[] { 0, 0, 0, 2, 1, (byte)'a', 3, (byte)'b', (byte)'c', (byte)'d' })
                .Or.EqualTo(new byte[] { 0, 0, 0, 2, 3, (byte)'b', (byte)'c', (byte)'d', 1, (byte)'a' }));
        }
    }

    [Test]
    public async Task Elements_are_counted_in_every_collection_and_the_source_says_how_far_it_is()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new UpperFn());
        await using var runner = FakeRunner.Start();
        var stage = new Stage(pipeline).Source(input).Sink(output);
        await runner.RunBundleAsync(stage, input, "a", "b", "c", "d");
        var bundle = await runner.RunBundleAsync(stage, input, "a", "b", "c"); // counts begin anew
        var infos = (await bundle.Response).ProcessBundle.MonitoringInfos;
        var counts = infos.Where(i => i.Urn == BeamUrns.Metrics.ElementCount).ToDictionary(i => i.Labels["PCOLLECTION"], i => Varint(i.Payload));
        Assert.That(counts, Is.EquivalentTo(new Dictionary<string, long> { [input.Id] = 3, [output.Id] = 3 }));
        Assert.That(Varint(infos.Single(i => i.Urn == BeamUrns.Metrics.DataChannelReadIndex).Payload), Is.EqualTo(2));
        Assert.That(infos.Count(i => i.Urn == BeamUrns.Metrics.SampledByteSize), Is.EqualTo(2));
    }

    [Test]
    public async Task A_running_bundle_tells_its_progress_and_gives_away_what_has_not_begun()
    {
        var name = nameof(A_running_bundle_tells_its_progress_and_gives_away_what_has_not_begun);
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new GateFn(name, "1"));
        await using var runner = FakeRunner.Start();
        var bundle = await runner.StartBundleAsync(new Stage(pipeline).Source(input).Sink(output));
        await bundle.SendAsync(input, Enumerable.Range(0, 10).Select(i => WindowedValue.InGlobalWindow($"{i}")), isLast: true);
        await Probe.Of(name).Reached;

        var progress = await bundle.ProgressAsync();
        Assert.That(Varint(progress.MonitoringInfos.Single(i => i.Urn == BeamUrns.Metrics.DataChannelReadIndex).Payload), Is.EqualTo(1));
        Assert.That(progress.ConsumingReceivedData, Is.True);

        var split = await bundle.SplitAsync(input, 0.5, 10);
        Assert.That(split.ChannelSplits.Single().FirstResidualElement, Is.EqualTo(6));
        Assert.That(split.ChannelSplits.Single().LastPrimaryElement, Is.EqualTo(5));
        var again = await bundle.SplitAsync(input, 0, 10, 4, 5, 8);
        Assert.That(again.ChannelSplits.Single().FirstResidualElement, Is.EqualTo(4));
        var nothing = await bundle.SplitAsync(input, 0, 10, 1, 0);
        Assert.That(nothing.ChannelSplits, Is.Empty);

        Probe.Of(name).Gate.Set();
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["0", "1", "2", "3"]));
    }

    [TestCase(-1, 10, 0.0, new long[0], 0)]
    [TestCase(-1, 10, 0.5, new long[0], 5)]
    [TestCase(3, 10, 0.5, new long[0], 7)]
    [TestCase(3, 10, 1.0, new long[0], null)]
    [TestCase(9, 10, 0.0, new long[0], null)]
    [TestCase(3, 10, 0.0, new long[] { 2, 3, 8 }, 8)]
    [TestCase(3, 10, 0.5, new long[] { 4, 8 }, 8)]
    [TestCase(3, 10, 0.0, new long[] { 10, 11 }, null)]
    [TestCase(3, 2, 0.5, new long[0], null)]
    [TestCase(3, 10, double.NaN, new long[0], null)]
    public void The_split_point_keeps_the_fraction_that_was_asked_for(long index, long end, double fraction, long[] allowed, long? expected) =>
        Assert.That(Beam.Harness.SplitPoint.Choose(index, end, fraction, allowed), Is.EqualTo(expected));

    private static MonitoringInfo Find(IEnumerable<MonitoringInfo> infos, string urn, string transform, string name) => infos.Single(i =>
        i.Urn == urn && i.Labels["PTRANSFORM"] == transform && i.Labels["NAMESPACE"] == "tests" && i.Labels["NAME"] == name);
}
