using Beam.Coders;
using Beam.Model.FnExecution;
using Google.Protobuf;
using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

public sealed class SideInputTests
{
    private static readonly FixedWindows Seconds = FixedWindows.Of(TimeSpan.FromSeconds(1));

    [Test]
    public async Task Iterables_and_lists_are_read_page_by_page_once_in_a_bundle()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var side = Stage.Input<string>(pipeline, "side");
        var (iterable, list) = (side.AsIterable(), side.AsList());
        var output = input.ParallelDo(new ReadFn<IEnumerable<string>>(iterable), "Iterable").ParallelDo(new ReadListFn(list), "List");
        var words = Enumerable.Range(0, 100).Select(i => $"word{i}").ToList();
        await using var runner = FakeRunner.Start();
        runner.PageSize = 7; // pages end within values
        runner.SetState(Iterable("Iterable", iterable.Tag, []), Encode(side.Coder, words));
        runner.SetState(Iterable("List", list.Tag, []), Encode(side.Coder, words));
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "x", "y");
        var all = string.Join(",", words);
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo([$"x:{all}:100:word99", $"y:{all}:100:word99"]));
        Assert.That(runner.StateRequests.Count(r => r.Get.ContinuationToken.IsEmpty), Is.EqualTo(2));
    }

    [Test]
    public async Task A_singleton_is_its_only_element_or_the_default()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var (one, none) = (Stage.Input<string>(pipeline, "one").AsSingleton(), Stage.Input<string>(pipeline, "none").AsSingleton("default"));
        var output = input.ParallelDo(new ReadFn<string>(one), "One").ParallelDo(new ReadFn<string>(none), "None");
        await using var runner = FakeRunner.Start();
        runner.SetState(Iterable("One", one.Tag, []), Encode(pipeline.Coders.Get<string>(), ["only"]));
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "x");
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["x:only:default"]));
    }

    [TestCase(new string[0], "is empty in GlobalWindow; give AsSingleton a default value")]
    [TestCase(new[] { "a", "b" }, "has several elements in GlobalWindow; combine them into one")]
    public async Task A_singleton_of_none_or_several_says_so(string[] content, string expected)
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var view = Stage.Input<string>(pipeline, "side").AsSingleton();
        var output = input.ParallelDo(new ReadFn<string>(view), "Read");
        await using var runner = FakeRunner.Start();
        runner.SetState(Iterable("Read", view.Tag, []), Encode(pipeline.Coders.Get<string>(), content));
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "x");
        Assert.That((await bundle.ErrorAsync()).Split('\n')[0], Does.Contain(expected).And.EndsWith("[while running 'Read']"));
    }

    [Test]
    public async Task A_map_is_looked_up_by_key_and_enumerated_by_keys()
    {
        var (pipeline, input, side) = Keyed();
        var view = side.AsMap();
        var output = input.ParallelDo(new ReadMapFn(view), "Map");
        await using var runner = FakeRunner.Start();
        SetMultimap(runner, "Map", view.Tag, ("a", [1]), ("b", [2]));
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "a", "b", "c", "a", "all");
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["a=1", "b=2", "c has none", "a=1", "2: a=1 b=2"]));
        Assert.That(runner.StateRequests.Count(r => r.StateKey.TypeCase == StateKey.TypeOneofCase.MultimapSideInput), Is.EqualTo(3));
    }

    [Test]
    public async Task A_map_with_several_values_of_a_key_says_so()
    {
        var (pipeline, input, side) = Keyed();
        var view = side.AsMap();
        var output = input.ParallelDo(new ReadMapFn(view), "Map");
        await using var runner = FakeRunner.Start();
        SetMultimap(runner, "Map", view.Tag, ("a", [1, 2]));
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "a");
        Assert.That(await bundle.ErrorAsync(), Does.Contain("has several values of key 'a'; read it with AsMultimap"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_multimap_gives_all_values_of_a_key(bool bulk)
    {
        var (pipeline, input, side) = Keyed();
        var view = side.AsMultimap();
        var output = input.ParallelDo(new ReadMultimapFn(view), "Multimap");
        await using var runner = FakeRunner.Start(FakeRunner.DefaultOptions with
        {
            RunnerCapabilities = bulk ? new HashSet<string> { Model.BeamUrns.RunnerProtocols.MultimapKeysValuesSideInput } : [],
        });
        SetMultimap(runner, "Multimap", view.Tag, ("a", [1, 2]), ("b", [3]));
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "all", "a", "c");
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["2: a=1+2 b=3", "a=1+2", "c="]));
        if (bulk) Assert.That(runner.StateRequests, Has.Count.EqualTo(1)); // everything at once, and with it that a key is not there
    }

    [Test]
    public async Task A_map_of_several_pages_is_read_key_by_key_although_the_runner_sends_values()
    {
        var (pipeline, input, side) = Keyed();
        var view = side.AsMultimap();
        var output = input.ParallelDo(new ReadMultimapFn(view), "Multimap");
        await using var runner = FakeRunner.Start(FakeRunner.DefaultOptions with
        {
            RunnerCapabilities = new HashSet<string> { Model.BeamUrns.RunnerProtocols.MultimapKeysValuesSideInput },
        });
        runner.PageSize = 7;
        SetMultimap(runner, "Multimap", view.Tag, ("a", [1, 2]), ("b", [3]));
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "all", "a", "c");
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["2: a=1+2 b=3", "a=1+2", "c="]));
        Assert.That(runner.StateRequests.Count(r => r.StateKey.TypeCase == StateKey.TypeOneofCase.MultimapKeysValuesSideInput), Is.EqualTo(1));
    }

    [Test]
    public async Task Each_window_of_the_main_input_reads_its_window_of_the_side_input()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline, windowing: new WindowingStrategy(Seconds));
        var side = Stage.Input<string>(pipeline, "side", new WindowingStrategy(FixedWindows.Of(TimeSpan.FromSeconds(10))));
        var view = side.AsSingleton();
        var output = input.ParallelDo(new ReadFn<string>(view), "Read");
        await using var runner = FakeRunner.Start();
        foreach (var start in (int[])[0, 10])
        {
            var window = new IntervalWindow(Timestamp.FromSeconds(start), Timestamp.FromSeconds(start + 10));
            using var key = new CoderWriter();
            side.Windowing.WindowFn.WindowCoder.EncodeObject(window, key, nested: true);
            runner.SetState(Iterable("Read", view.Tag, key.ToArray()), Encode(side.Coder, [$"from {start}"]));
        }

        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, [At(1), At(12), At(3), At(11)]);
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["1:from 0", "12:from 10", "3:from 0", "11:from 10"]));
        Assert.That(runner.StateRequests, Has.Count.EqualTo(2));

        WindowedValue<string> At(int second) =>
            new($"{second}", Timestamp.FromSeconds(second), Seconds.Assign(Timestamp.FromSeconds(second)), PaneInfo.NoFiring);
    }

    [Test]
    public async Task Content_under_a_cache_token_is_fetched_once_for_many_bundles()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var view = Stage.Input<string>(pipeline, "side").AsList();
        var output = input.ParallelDo(new ReadListFn(view), "List");
        var stage = new Stage(pipeline).Source(input).Sink(output);
        await using var runner = FakeRunner.Start();
        runner.SetState(Iterable("List", view.Tag, []), Encode(pipeline.Coders.Get<string>(), ["a", "b"]));
        foreach (var (token, requests) in ((string, int)[])[("1", 1), ("1", 1), ("2", 2)])
        {
            var bundle = await runner.RunBundleAsync(stage, input, [WindowedValue.InGlobalWindow("x")], request => request.CacheTokens.Add(
                new ProcessBundleRequest.Types.CacheToken
                {
                    Token = ByteString.CopyFromUtf8(token),
                    SideInput = new ProcessBundleRequest.Types.CacheToken.Types.SideInput { TransformId = "List", SideInputId = view.Tag },
                }));
            Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["x:2:b"]));
            Assert.That(runner.StateRequests, Has.Count.EqualTo(requests));
        }
    }

    [Test]
    public async Task Asynchronous_functions_read_side_inputs_too()
    {
        var (pipeline, input, side) = Keyed();
        var view = side.AsMap();
        var output = input.ParallelDo(new AsyncReadFn(view), "Async");
        await using var runner = FakeRunner.Start();
        SetMultimap(runner, "Async", view.Tag, ("a", [1]), ("b", [2]));
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "a", "b", "a");
        Assert.That(await bundle.ValuesAsync(output), Is.EquivalentTo([1L, 2L, 1L]));
    }

    private static (Pipeline Pipeline, PCollection<string> Input, PCollection<KV<string, long>> Side) Keyed()
    {
        var pipeline = Pipeline.Create();
        return (pipeline, Stage.Input<string>(pipeline), Stage.Input<KV<string, long>>(pipeline, "side"));
    }

    private static void SetMultimap(FakeRunner runner, string transform, string tag, params (string Key, long[] Values)[] content)
    {
        var coders = Pipeline.Create().Coders;
        foreach (var (key, values) in content)
        {
            runner.SetState(new StateKey
            {
                MultimapSideInput = new StateKey.Types.MultimapSideInput
                {
                    TransformId = transform, SideInputId = tag, Key = ByteString.CopyFrom(coders.Get<string>().ToBytes(key, nested: true)),
                },
            }, Encode(coders.Get<long>(), values));
        }

        runner.SetState(
            new StateKey { MultimapKeysSideInput = new StateKey.Types.MultimapKeysSideInput { TransformId = transform, SideInputId = tag } },
            Encode(coders.Get<string>(), content.Select(c => c.Key)));
        runner.SetState(
            new StateKey { MultimapKeysValuesSideInput = new StateKey.Types.MultimapKeysValuesSideInput { TransformId = transform, SideInputId = tag } },
            Encode(coders.Get<KV<string, IEnumerable<long>>>(), content.Select(c => KV.Of<string, IEnumerable<long>>(c.Key, c.Values))));
    }

    private static StateKey Iterable(string transform, string tag, byte[] window) => new()
    {
        IterableSideInput = new StateKey.Types.IterableSideInput { TransformId = transform, SideInputId = tag, Window = ByteString.CopyFrom(window) },
    };

    private static byte[] Encode<T>(Coder<T> coder, IEnumerable<T> values)
    {
        using var writer = new CoderWriter();
        foreach (var value in values) coder.Encode(value, writer, nested: true);
        return writer.ToArray();
    }

    private sealed class ReadFn<T>(PCollectionView<T> view) : DoFn<string, string>
    {
        public override void ProcessElement(string element, ProcessContext<string> context)
        {
            var value = context.SideInput(view);
            context.Output($"{element}:{(value is IEnumerable<string> many ? string.Join(",", many) : value)}");
        }
    }

    private sealed class ReadListFn(PCollectionView<IReadOnlyList<string>> view) : DoFn<string, string>
    {
        public override void ProcessElement(string element, ProcessContext<string> context) =>
            context.Output($"{element}:{context.SideInput(view).Count}:{context.SideInput(view)[^1]}");
    }

    private sealed class ReadMapFn(PCollectionView<IReadOnlyDictionary<string, long>> view) : DoFn<string, string>
    {
        public override void ProcessElement(string element, ProcessContext<string> context)
        {
            var map = context.SideInput(view);
            context.Output(
                element == "all" ? $"{map.Count}: {string.Join(" ", map.Select(p => $"{p.Key}={p.Value}"))}"
                : map.TryGetValue(element, out var value) ? $"{element}={value}"
                : $"{element} has none");
        }
    }

    private sealed class ReadMultimapFn(PCollectionView<ILookup<string, long>> view) : DoFn<string, string>
    {
        public override void ProcessElement(string element, ProcessContext<string> context)
        {
            var map = context.SideInput(view);
            context.Output(element == "all"
                ? $"{map.Count}: {string.Join(" ", map.Select(g => $"{g.Key}={string.Join("+", g)}"))}"
                : $"{element}={string.Join("+", map[element])}");
        }
    }

    private sealed class AsyncReadFn(PCollectionView<IReadOnlyDictionary<string, long>> view) : AsyncDoFn<string, long>
    {
        public override async Task ProcessElementAsync(string element, ProcessContext<long> context, CancellationToken cancellationToken)
        {
            await Task.Yield();
            context.Output(context.SideInput(view)[element]);
        }
    }
}
