using Beam.Coders;
using Beam.Model;
using Beam.Model.FnExecution;
using Google.Protobuf;
using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

public sealed class CombineTests
{
    private static readonly KV<string, long>[] Input = [KV.Of("a", 1L), KV.Of("b", 2L), KV.Of("a", 3L), KV.Of("c", 4L), KV.Of("a", 5L)];

    [Test]
    public async Task A_lifted_combine_gives_what_an_unlifted_one_gives()
    {
        await using var runner = FakeRunner.Start();
        var partial = await PrecombineAsync<string>(runner, Input);
        Assert.That(partial.Select(p => p.Value.Key), Is.EquivalentTo(["a", "b", "c"]));
        Assert.That(partial.Select(p => string.Join("+", p.Value.Value)), Is.EquivalentTo(["9", "2", "4"])); // compacted

        // Two bundles' worth of partial results, grouped as a runner does.
        var again = await PrecombineAsync<string>(runner, Input);
        var pipeline = Pipeline.Create();
        var grouped = Stage.Input<KV<string, IEnumerable<List<long>>>>(pipeline, "grouped");
        var merged = Stage.Input<KV<string, List<long>>>(pipeline, "merged");
        var result = Stage.Input<KV<string, double>>(pipeline, "result");
        var stage = new Stage(pipeline, "lifted").Source(grouped).Sink(result)
            .Combine(BeamUrns.Transforms.CombinePerKeyMergeAccumulators, new AddFn(), grouped, merged)
            .Combine(BeamUrns.Transforms.CombinePerKeyExtractOutputs, new AddFn(), merged, result);
        var lifted = await runner.RunBundleAsync(
            stage, grouped, partial.Concat(again).GroupBy(p => p.Value.Key).Select(g => KV.Of(g.Key, g.Select(p => p.Value.Value))));

        var unlifted = await UnliftedAsync(runner, Input.Concat(Input));
        var expected = Input.Concat(Input).GroupBy(i => i.Key).Select(g => KV.Of(g.Key, g.Sum(i => i.Value) / 2.0)).ToList();
        Assert.That(await lifted.ValuesAsync(result), Is.EquivalentTo(expected));
        Assert.That(unlifted, Is.EquivalentTo(expected));
    }

    [Test]
    public async Task Keys_without_an_equality_of_their_own_are_combined_by_their_encoding()
    {
        await using var runner = FakeRunner.Start();
        var partial = await PrecombineAsync<byte[]>(runner, [.. Input.Select(i => KV.Of(System.Text.Encoding.UTF8.GetBytes(i.Key), i.Value))]);
        Assert.That(partial.Select(p => $"{System.Text.Encoding.UTF8.GetString(p.Value.Key)}{p.Value.Value[0]}"), Is.EquivalentTo(["a9", "b2", "c4"]));
    }

    [Test]
    public async Task More_keys_than_the_table_holds_are_emitted_meanwhile()
    {
        await using var runner = FakeRunner.Start();
        var elements = Enumerable.Range(0, 200_000).Select(i => KV.Of((long)(i % 50_000), 1L)).ToArray();
        var partial = await PrecombineAsync<long>(runner, elements);
        Assert.That(partial, Has.Count.GreaterThan(50_000));
        Assert.That(partial.GroupBy(p => p.Value.Key).Select(g => g.Sum(p => p.Value.Value.Sum())), Is.All.EqualTo(4));
    }

    [TestCase(TimestampCombiner.EndOfWindow, 999L)]
    [TestCase(TimestampCombiner.Earliest, 100L)]
    [TestCase(TimestampCombiner.Latest, 300L)]
    public async Task Partial_results_are_kept_by_window_and_have_the_combined_timestamp(TimestampCombiner timestamps, long expected)
    {
        var seconds = FixedWindows.Of(TimeSpan.FromSeconds(1));
        await using var runner = FakeRunner.Start();
        var windowing = new WindowingStrategy(seconds, timestamps);
        var partial = await PrecombineAsync(runner, windowing, [At(100), At(1500), At(300), At(200)]);
        var first = partial.Single(p => p.Windows.Single().Equals(seconds.Assign(Timestamp.Epoch)[0]));
        Assert.That(first.Value.Value, Is.EqualTo([600L]));
        Assert.That(first.Timestamp.Milliseconds, Is.EqualTo(expected));
        Assert.That(partial, Has.Count.EqualTo(2));

        WindowedValue<KV<string, long>> At(long time) =>
            new(KV.Of("k", time), Timestamp.FromMilliseconds(time), seconds.Assign(Timestamp.FromMilliseconds(time)), PaneInfo.NoFiring);
    }

    [Test]
    public async Task Inputs_become_accumulators_one_by_one()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<KV<string, long>>(pipeline);
        var output = Stage.Input<KV<string, List<long>>>(pipeline, "accumulators");
        await using var runner = FakeRunner.Start();
        var stage = new Stage(pipeline).Source(input).Sink(output)
            .Combine(BeamUrns.Transforms.CombinePerKeyConvertToAccumulators, new AddFn(), input, output);
        var bundle = await runner.RunBundleAsync(stage, input, KV.Of("a", 1L), KV.Of("a", 2L));
        Assert.That((await bundle.ValuesAsync(output)).Select(a => a.Value.Single()), Is.EqualTo([1L, 2L]));
    }

    [Test]
    public async Task Values_that_do_not_fit_their_element_are_fetched_from_state()
    {
        var pipeline = Pipeline.Create();
        var grouped = Stage.Input<KV<string, IEnumerable<long>>>(pipeline, "grouped");
        var result = Stage.Input<KV<string, double>>(pipeline, "result");
        var stage = new Stage(pipeline).Source(grouped).Sink(result).Combine(BeamUrns.Transforms.CombineGroupedValues, new AddFn(), grouped, result);

        // The runner says that iterables may go on in state.
        var kv = stage.Descriptor.Coders[stage.Descriptor.Pcollections[grouped.Id].CoderId];
        stage.Descriptor.Coders[kv.ComponentCoderIds[1]].Spec.Urn = BeamUrns.Coders.StateBackedIterable;
        await using var runner = FakeRunner.Start();
        runner.PageSize = 3;
        var coder = pipeline.Coders.Get<long>();
        runner.SetState(new StateKey { Runner = new StateKey.Types.Runner { Key = ByteString.CopyFromUtf8("more") } }, Encode([1000, 2000, 3000], coder));

        using var data = new CoderWriter();
        data.WriteTimestamp(Timestamp.Epoch);
        data.WriteBigEndianInt32(1); // one window, which has no bytes
        data.WriteByte(0x0F); // no firing
        data.WriteLengthPrefixedUtf8("a");
        data.WriteBigEndianInt32(-1); // blocks of values, the last of which is in state
        data.WriteVarint(2);
        data.WriteBytes(Encode([1, 2], coder));
        data.WriteVarint(-1);
        data.WriteLengthPrefixedUtf8("more");
        var bundle = await runner.StartBundleAsync(stage);
        await bundle.SendAsync(new Elements
        {
            Data = { new Elements.Types.Data { InstructionId = bundle.Id, TransformId = "source:grouped", Data_ = data.ToByteString(), IsLast = true } },
        });
        Assert.That(await bundle.ValuesAsync(result), Is.EqualTo([KV.Of("a", 6003 / 2.0)]));
    }

    private static byte[] Encode(long[] values, Coder<long> coder)
    {
        using var writer = new CoderWriter();
        foreach (var value in values) coder.Encode(value, writer, nested: true);
        return writer.ToArray();
    }

    private static Task<List<WindowedValue<KV<TKey, List<long>>>>> PrecombineAsync<TKey>(FakeRunner runner, KV<TKey, long>[] elements) =>
        PrecombineAsync(runner, WindowingStrategy.Default, elements.Select(WindowedValue.InGlobalWindow));

    private static async Task<List<WindowedValue<KV<TKey, List<long>>>>> PrecombineAsync<TKey>(
        FakeRunner runner, WindowingStrategy windowing, IEnumerable<WindowedValue<KV<TKey, long>>> elements)
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<KV<TKey, long>>(pipeline, windowing: windowing);
        var output = Stage.Input<KV<TKey, List<long>>>(pipeline, "accumulators", windowing);
        var stage = new Stage(pipeline, $"precombine {typeof(TKey).Name}").Source(input).Sink(output)
            .Combine(BeamUrns.Transforms.CombinePerKeyPrecombine, new AddFn(), input, output);
        return await (await runner.RunBundleAsync(stage, input, elements)).OutputAsync(output);
    }

    private static async Task<List<KV<string, double>>> UnliftedAsync(FakeRunner runner, IEnumerable<KV<string, long>> elements)
    {
        var pipeline = Pipeline.Create();
        var grouped = Stage.Input<KV<string, IEnumerable<long>>>(pipeline, "grouped");
        var result = Stage.Input<KV<string, double>>(pipeline, "result");
        var stage = new Stage(pipeline, "unlifted").Source(grouped).Sink(result).Combine(BeamUrns.Transforms.CombineGroupedValues, new AddFn(), grouped, result);
        var bundle = await runner.RunBundleAsync(stage, grouped, elements.GroupBy(e => e.Key).Select(g => KV.Of(g.Key, g.Select(e => e.Value))));
        return await bundle.ValuesAsync(result);
    }
}
