using Beam.Testing;

namespace Beam.Runner.Direct.Tests.Transforms;

/// <summary>What each transform does with its elements, from the pipeline to its results.</summary>
public sealed class TransformTests
{
    private static readonly TimeSpan Ten = TimeSpan.FromSeconds(10);

    [Test]
    public Task Elements_are_mapped_flattened_and_filtered() => RunAsync(pipeline =>
    {
        var words = pipeline.Create("to be", "or not", "to be").FlatMap(line => line.Split(' '));
        PAssert.That(words).ContainsInAnyOrder("to", "be", "or", "not", "to", "be");
        PAssert.That(words.Map(w => w.Length)).ContainsInAnyOrder(2, 2, 2, 3, 2, 2);
        PAssert.That(words.Filter(w => w[0] == 't')).ContainsInAnyOrder("to", "to");
        PAssert.That(words.Filter(_ => false)).Empty();
        PAssert.That(pipeline.Create<int>()).Empty();
        PAssert.That(words.Flatten(pipeline.Create("that")).Distinct()).ContainsInAnyOrder("to", "be", "or", "not", "that");
    });

    [Test]
    public Task Large_collections_come_whole() => RunAsync(pipeline =>
    {
        PAssert.ThatSingleton(pipeline.Create(Enumerable.Range(0, 5000)).Map(x => (long)x).Sum()).IsEqualTo(5000L * 4999 / 2);
        PAssert.ThatSingleton(pipeline.GenerateSequence(-10, 100_000).Count()).IsEqualTo(100_010);
        PAssert.ThatSingleton(pipeline.GenerateSequence(-10, 100_000).Sum()).IsEqualTo((99_999L * 100_000 / 2) - 55);
        PAssert.That(pipeline.GenerateSequence(3, 3)).Empty();
    });

    [Test]
    public Task Side_inputs_are_read_as_what_they_were_made() => RunAsync(pipeline =>
    {
        var numbers = pipeline.Create(1, 2, 3);
        var pairs = pipeline.Create(KV.Of("a", 1), KV.Of("b", 2), KV.Of("b", 3));
        var one = pipeline.Create("x");
        PAssert.That(one.Map(numbers.AsIterable(), (x, side) => x + side.Sum())).ContainsInAnyOrder("x6");
        PAssert.That(one.Map(numbers.AsList(), (x, side) => x + side.Count)).ContainsInAnyOrder("x3");
        PAssert.That(one.Map(numbers.Max().AsSingleton(), (x, side) => x + side)).ContainsInAnyOrder("x3");
        PAssert.That(one.Map(numbers.Filter(n => n > 5).AsSingleton(7), (x, side) => x + side)).ContainsInAnyOrder("x7");
        PAssert.That(one.FlatMap(pairs.AsMultimap(), (_, side) => side["b"].Concat(side["none"]))).ContainsInAnyOrder(2, 3);
        PAssert.That(one.Map(pairs.SumPerKey().AsMap(), (x, side) => x + side["b"])).ContainsInAnyOrder("x5");
        var threshold = numbers.CombineGloballyAsView(new MeanFn<int>());
        PAssert.That(numbers.Filter((n, context) => n > context.SideInput(threshold))).ContainsInAnyOrder(3);
    });

    [Test]
    public Task Values_are_grouped_by_key() => RunAsync(pipeline =>
    {
        var sales = pipeline.Create(KV.Of("a", 1), KV.Of("b", 2), KV.Of("a", 3));
        PAssert.That(sales.GroupByKey()).ContainsInAnyOrder(
            KV.Of("a", (IEnumerable<int>)[3, 1]), KV.Of("b", (IEnumerable<int>)[2]));
        PAssert.That(sales.Keys()).ContainsInAnyOrder("a", "a", "b");
        PAssert.That(sales.Values()).ContainsInAnyOrder(1, 2, 3);
        PAssert.That(sales.KvSwap()).ContainsInAnyOrder(KV.Of(1, "a"), KV.Of(2, "b"), KV.Of(3, "a"));
        PAssert.That(sales.Values().WithKeys(v => v % 2)).ContainsInAnyOrder(KV.Of(1, 1), KV.Of(0, 2), KV.Of(1, 3));
        PAssert.That(sales.MapValues(v => v * 10).CombineGroupedAs()).ContainsInAnyOrder(KV.Of("a", 40), KV.Of("b", 20));
    });

    [Test]
    public Task Collections_are_joined_by_key() => RunAsync(pipeline =>
    {
        var names = pipeline.Create(KV.Of(1, "Ada"), KV.Of(2, "Bob"));
        var ages = pipeline.Create(KV.Of(1, 36L), KV.Of(3, 9L), KV.Of(1, 37L));
        var cities = pipeline.Create(KV.Of(2, "Rome"));
        PAssert.That(names.CoGroupByKey(ages).Map(Show2)).ContainsInAnyOrder("1: Ada / 36,37", "2: Bob / ", "3:  / 9");
        PAssert.That(names.CoGroupByKey(ages, cities).Map(Show3)).ContainsInAnyOrder("1: Ada / 36,37 / ", "2: Bob /  / Rome", "3:  / 9 / ");
        var (name, age) = (new CoGroupTag<string>("name"), new CoGroupTag<long>("age"));
        PAssert.That(KeyedCollections.Of(name, names).And(age, ages).CoGroupByKey()
            .Map(kv => $"{kv.Key} {kv.Value.GetOnly(name, "?")} {kv.Value.GetAll(age).Count()}")).ContainsInAnyOrder("1 Ada 2", "2 Bob 0", "3 ? 1");

        static string Show2(KV<int, CoGroup<string, long>> kv) => $"{kv.Key}: {string.Join(",", kv.Value.First)} / {string.Join(",", kv.Value.Second.Order())}";
        static string Show3(KV<int, CoGroup<string, long, string>> kv) =>
            $"{kv.Key}: {string.Join(",", kv.Value.First)} / {string.Join(",", kv.Value.Second.Order())} / {string.Join(",", kv.Value.Third)}";
    });

    [Test]
    public Task Values_are_combined_globally() => RunAsync(pipeline =>
    {
        var numbers = pipeline.Create(3, 1, 2, 5, 4);
        PAssert.ThatSingleton(numbers.Sum()).IsEqualTo(15);
        PAssert.ThatSingleton(numbers.Count()).IsEqualTo(5);
        PAssert.ThatSingleton(numbers.Mean()).IsEqualTo(3.0);
        PAssert.ThatSingleton(numbers.Min()).IsEqualTo(1);
        PAssert.ThatSingleton(numbers.Max()).IsEqualTo(5);
        PAssert.That(numbers.Top(2)).Satisfies(all => Assert.That(all.Single(), Is.EqualTo(new[] { 5, 4 })));
        PAssert.That(numbers.Smallest(2)).Satisfies(all => Assert.That(all.Single(), Is.EqualTo(new[] { 1, 2 })));
        PAssert.That(numbers.Sample(3)).Satisfies(all => all.Single().Count == 3);
        PAssert.That(numbers.SampleAny(3)).Satisfies(all => all.Count == 3);
        PAssert.That(numbers.ToList()).Satisfies(all => Assert.That(all.Single(), Is.EquivalentTo(new[] { 1, 2, 3, 4, 5 })));
        PAssert.That(numbers.WithKeys(n => n % 2).ToDictionary()).Satisfies(all => all.Single().Count == 2);
        PAssert.ThatSingleton(numbers.CombineGlobally(values => values.Aggregate(1, (x, y) => x * y))).IsEqualTo(120);
    });

    [Test]
    public Task An_empty_collection_has_defaults_where_there_are_any() => RunAsync(pipeline =>
    {
        var none = pipeline.Create<int>();
        PAssert.ThatSingleton(none.Sum()).IsEqualTo(0);
        PAssert.ThatSingleton(none.Count()).IsEqualTo(0);
        PAssert.That(none.Sum(withoutDefaults: true)).Empty();
        PAssert.That(none.Max()).Empty();
        PAssert.That(none.ToList()).Satisfies(all => all.Single().Count == 0);
        PAssert.That(pipeline.Create("x").Map(none.CombineGloballyAsView(new SumFn<int>()), (x, sum) => x + sum)).ContainsInAnyOrder("x0");
    });

    [Test]
    public Task Values_are_combined_by_key() => RunAsync(pipeline =>
    {
        var numbers = pipeline.Create(Enumerable.Range(1, 100)).WithKeys(n => n % 3);
        PAssert.That(numbers.SumPerKey()).ContainsInAnyOrder(KV.Of(0, 1683), KV.Of(1, 1717), KV.Of(2, 1650));
        PAssert.That(numbers.CountPerKey()).ContainsInAnyOrder(KV.Of(0, 33L), KV.Of(1, 34L), KV.Of(2, 33L));
        PAssert.That(numbers.MaxPerKey()).ContainsInAnyOrder(KV.Of(0, 99), KV.Of(1, 100), KV.Of(2, 98));
        PAssert.That(numbers.MinPerKey()).ContainsInAnyOrder(KV.Of(0, 3), KV.Of(1, 1), KV.Of(2, 2));
        PAssert.That(numbers.MeanPerKey()).ContainsInAnyOrder(KV.Of(0, 51.0), KV.Of(1, 50.5), KV.Of(2, 50.0));
        PAssert.That(numbers.TopPerKey(1).Map(kv => kv.Value[0])).ContainsInAnyOrder(98, 99, 100);
        PAssert.That(numbers.Keys().CountPerElement()).ContainsInAnyOrder(KV.Of(0, 33L), KV.Of(1, 34L), KV.Of(2, 33L));
        PAssert.That(numbers.CombinePerKey(values => values.Max())).ContainsInAnyOrder(KV.Of(0, 99), KV.Of(1, 100), KV.Of(2, 98));
    });

    [Test]
    public Task Groups_are_those_of_their_windows() => RunAsync(pipeline =>
    {
        var events = At(pipeline, ("a", 1), ("b", 9), ("a", 12), ("a", 13), ("a", 40));
        var perWindow = events.WindowInto(FixedWindows.Of(Ten)).CountPerElement();
        PAssert.That(perWindow).InWindow(Window(0, 10)).ContainsInAnyOrder(KV.Of("a", 1L), KV.Of("b", 1L));
        PAssert.That(perWindow).InWindow(Window(10, 20)).ContainsInAnyOrder(KV.Of("a", 2L));
        PAssert.That(perWindow).InWindow(Window(20, 30)).Empty();
        PAssert.That(events.WindowInto(SlidingWindows.Of(Ten, Ten / 2)).Count(withoutDefaults: true)).InWindow(Window(5, 15)).ContainsInAnyOrder(3);
        var sessions = events.WindowInto(Sessions.WithGap(Ten)).CountPerElement();
        PAssert.That(sessions.Map((kv, context) => $"{kv.Key} {kv.Value} {((IntervalWindow)context.Window).Start.Milliseconds}"))
            .ContainsInAnyOrder("a 1 1000", "b 1 9000", "a 2 12000", "a 1 40000");
        PAssert.That(events.WindowInto(FixedWindows.Of(Ten), TimestampCombiner.Latest).WithKeys(w => w).GroupByKey()
            .Map((kv, context) => context.Timestamp.Milliseconds)).ContainsInAnyOrder(1000, 9000, 13000, 40000);
    });

    [Test]
    public Task A_side_input_is_that_of_the_window() => RunAsync(pipeline =>
    {
        var events = At(pipeline, ("a", 1), ("bbb", 2), ("cc", 12)).WindowInto(FixedWindows.Of(Ten));
        var longest = events.Map(w => w.Length).CombineGloballyAsView(new MaxFn<int>());
        PAssert.That(events.Filter(longest, (w, max) => w.Length == max)).ContainsInAnyOrder("bbb", "cc");
    });

    [Test]
    public Task A_reshuffle_changes_neither_times_nor_windows() => RunAsync(pipeline =>
    {
        var events = At(pipeline, ("a", 1), ("b", 12)).WindowInto(FixedWindows.Of(Ten)).Reshuffle();
        PAssert.That(events.Map((w, context) => $"{w} {context.Timestamp.Milliseconds} {context.Window}"))
            .ContainsInAnyOrder($"a 1000 {Window(0, 10)}", $"b 12000 {Window(10, 20)}");
        var keyed = At(pipeline, ("a", 1), ("b", 12)).WindowInto(FixedWindows.Of(Ten)).WithKeys(w => w).ReshufflePerKey();
        PAssert.That(keyed.Map((kv, context) => $"{kv.Value} {context.Timestamp.Milliseconds} {context.Window}"))
            .ContainsInAnyOrder($"a 1000 {Window(0, 10)}", $"b 12000 {Window(10, 20)}");
    });

    [Test]
    public Task The_latest_is_the_one_with_the_latest_time() => RunAsync(pipeline =>
    {
        var events = At(pipeline, ("a", 1), ("c", 30), ("b", 12));
        PAssert.ThatSingleton(events.Latest()).IsEqualTo("c");
        PAssert.That(events.WithKeys(w => w == "c").LatestPerKey()).ContainsInAnyOrder(KV.Of(true, "c"), KV.Of(false, "b"));
    });

    [Test]
    public Task Parts_hold_what_their_function_says() => RunAsync(pipeline =>
    {
        var parts = pipeline.Create(1, 2, 3, 4, 5).Partition(3, n => n % 3);
        PAssert.That(parts[0]).ContainsInAnyOrder(3);
        PAssert.That(parts[1]).ContainsInAnyOrder(1, 4);
        PAssert.That(parts[2]).ContainsInAnyOrder(2, 5);
        PAssert.That(parts.Flatten()).ContainsInAnyOrder(1, 2, 3, 4, 5);
    });

    [Test]
    public Task Asynchronous_functions_are_awaited() => RunAsync(pipeline =>
    {
        var numbers = pipeline.Create(Enumerable.Range(0, 200));
        PAssert.ThatSingleton(numbers.MapAsync(async (n, cancellationToken) =>
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            return n * 2;
        }).Sum()).IsEqualTo(199 * 200);
        PAssert.ThatSingleton(numbers.FlatMapAsync((n, _) => Twice(n), maxConcurrency: 3).Count()).IsEqualTo(400);

        static async IAsyncEnumerable<int> Twice(int n)
        {
            yield return n;
            await Task.Yield();
            yield return n;
        }
    });

    [Test]
    public Task Elements_that_fail_are_dead_letters() => RunAsync(pipeline =>
    {
        var texts = pipeline.Create("1", "x", "3");
        var (good, failed) = texts.Map(int.Parse, ExceptionHandling.DeadLetter);
        PAssert.That(good).ContainsInAnyOrder(1, 3);
        PAssert.That(failed).Satisfies(all =>
        {
            Assert.That(all.Single(), Has.Property("Element").EqualTo("x").And.Property("ExceptionType").EqualTo("System.FormatException"));
            Assert.That(all.Single().Message, Does.Contain("'x'"));
            Assert.That(all.Single().StackTrace, Does.Contain("Parse"));
        });

        // What an element gave before it failed does not count.
        var (halves, failures) = texts.FlatMap(Halves, ExceptionHandling.DeadLetter);
        PAssert.That(halves).ContainsInAnyOrder(1, 1, 3, 3);
        PAssert.That(failures.Map(f => f.Element)).ContainsInAnyOrder("x");
        var asynchronous = texts.MapAsync(async (text, _) => int.Parse(await Task.FromResult(text)), new ExceptionHandling(Threshold: 0.5));
        PAssert.That(asynchronous.Output).ContainsInAnyOrder(1, 3);
        PAssert.That(asynchronous.Failures.Map(f => f.Element)).ContainsInAnyOrder("x");

        static IEnumerable<int> Halves(string text)
        {
            yield return text == "x" ? 7 : int.Parse(text);
            yield return int.Parse(text);
        }
    });

    [Test]
    public async Task More_failures_than_may_be_fail_the_pipeline()
    {
        var error = await Assert.ThrowsAsync<PipelineException>(() => RunAsync(pipeline =>
            pipeline.Create("1", "x", "y").Map(int.Parse, new ExceptionHandling(Threshold: 0.5))));
        Assert.That(error!.ToString(), Does.Contain("2 of 3 elements"));
    }

    [Test]
    public async Task The_part_of_failures_is_one_of_the_elements_that_went_in()
    {
        // One element gives a thousand, the other none and fails: half of the input.
        var error = await Assert.ThrowsAsync<PipelineException>(() => RunAsync(pipeline =>
            pipeline.Create("1000", "x").FlatMap(text => Enumerable.Range(0, int.Parse(text)), new ExceptionHandling(Threshold: 0.1))));
        Assert.That(error!.ToString(), Does.Contain("1 of 2 elements"));
        // And those that give nothing did not fail.
        await RunAsync(pipeline => pipeline.Create("0", "0", "0", "x").FlatMap(text => Enumerable.Range(0, int.Parse(text)), new ExceptionHandling(Threshold: 0.3)));
    }

    [Test]
    public Task Views_of_one_collection_have_their_own_defaults() => RunAsync(pipeline =>
    {
        var none = pipeline.Create<int>();
        var (one, two) = (none.AsSingleton(1), none.AsSingleton(2));
        PAssert.That(pipeline.Create(10).Map((n, context) => n + context.SideInput(one) + (100 * context.SideInput(two)))).ContainsInAnyOrder(211);
    });

    [Test]
    public async Task An_exception_of_another_kind_fails_the_pipeline() =>
        await Assert.ThrowsAsync<PipelineException>(() => RunAsync(pipeline => pipeline.Create("x").Map(int.Parse, ExceptionHandling.Of<OverflowException>())));

    [Test]
    public Task Batches_have_their_sizes_and_lose_nothing() => RunAsync(pipeline =>
    {
        var numbers = pipeline.Create(Enumerable.Range(0, 1000));
        var batches = numbers.BatchElements(7, 7);
        PAssert.That(batches.FlatMap(b => b)).ContainsInAnyOrder(Enumerable.Range(0, 1000));
        PAssert.That(batches.Map(b => b.Count)).Satisfies(all => Assert.That(all, Has.All.InRange(1, 7)));
        var weighed = numbers.BatchElements(new BatchElementsOptions { MinBatchSize = 50, MaxBatchSize = 50 }, elementSize: n => n % 10 == 0 ? 60 : 20);
        PAssert.That(weighed.Map(b => b.Count)).Satisfies(all => Assert.That(all, Has.All.InRange(1, 2)));
        PAssert.That(weighed.FlatMap(b => b)).ContainsInAnyOrder(Enumerable.Range(0, 1000));
        var windowed = At(pipeline, ("a", 1), ("b", 12), ("c", 13)).WindowInto(FixedWindows.Of(Ten)).BatchElements(10, 10);
        PAssert.That(windowed.Map((b, context) => $"{context.Window} {context.Timestamp}")).Satisfies(all =>
            Assert.That(all.Distinct(), Is.EquivalentTo(new[] { $"{Window(0, 10)} {Window(0, 10).MaxTimestamp}", $"{Window(10, 20)} {Window(10, 20).MaxTimestamp}" })));
    });

    [Test]
    public async Task An_assertion_that_does_not_hold_fails_the_pipeline_and_says_why()
    {
        var error = await Assert.ThrowsAsync<PipelineException>(() => RunAsync(pipeline => PAssert.That(pipeline.Create("a", "b")).ContainsInAnyOrder("a", "c")));
        Assert.That(error!.ToString(), Does.Contain("missing: [\"c\"]").And.Contains("unexpected: [\"b\"]"));
    }

    [TestCase]
    [TestCase("--direct_running_mode=multi_processing", "--direct_num_workers=1")]
    public async Task An_assertion_that_does_not_hold_is_tried_once_and_told_by_its_name(params string[] options)
    {
        var folder = Directory.CreateTempSubdirectory("assertion-tests-").FullName;
        try
        {
            var error = await Assert.ThrowsAsync<PipelineException>(() => RunAsync(
                pipeline =>
                {
                    var letters = pipeline.Create("a", "b");
                    PAssert.That(letters).ContainsInAnyOrder("a", "b");
                    PAssert.That(letters.Map(l => l + l, "Twice")).Satisfies(all =>
                    {
                        File.WriteAllText(Path.Combine(folder, Guid.NewGuid().ToString("N")), "");
                        throw new AssertionException($"  {all.Count} came\n  and that is wrong\n");
                    });
                },
                options));
            Assert.That(error!.Message, Is.EqualTo("PAssert(Twice).Satisfies: 2 came and that is wrong"));
            Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(1));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public async Task An_assertion_on_nothing_is_checked_too() =>
        await Assert.ThrowsAsync<PipelineException>(() => RunAsync(pipeline => PAssert.That(pipeline.Create<string>()).ContainsInAnyOrder("a")));

    [Test]
    public Task The_same_holds_in_worker_processes() => RunAsync(
        pipeline =>
        {
            var words = pipeline.Create("to be", "or not", "to be").FlatMap(line => line.Split(' '));
            PAssert.That(words.CountPerElement()).ContainsInAnyOrder(KV.Of("to", 2L), KV.Of("be", 2L), KV.Of("or", 1L), KV.Of("not", 1L));
            var longest = words.Map(w => w.Length).CombineGloballyAsView(new MaxFn<int>());
            PAssert.That(words.Filter(longest, (w, max) => w.Length == max)).ContainsInAnyOrder("not");
            PAssert.That(words.WithKeys(w => w[0]).CoGroupByKey(words.WithKeys(w => w[0])).Map(kv => kv.Value.First.Count() * kv.Value.Second.Count()))
                .ContainsInAnyOrder(4, 4, 1, 1);
            var (good, failed) = words.Map(w => 10 / (w.Length - 2), ExceptionHandling.Of<DivideByZeroException>());
            PAssert.That(good).ContainsInAnyOrder(10);
            PAssert.ThatSingleton(failed.Count()).IsEqualTo(5);
            PAssert.ThatSingleton(pipeline.GenerateSequence(0, 100_000).Map(n => n % 7).Sum()).IsEqualTo(Enumerable.Range(0, 100_000).Sum(n => n % 7L));
        },
        "--direct_running_mode=multi_processing", "--direct_num_workers=2");

    private static PCollection<string> At(Pipeline pipeline, params (string Word, int Second)[] events) => pipeline
        .Create(events.Select(e => KV.Of(e.Word, e.Second)))
        .WithTimestamps(e => Timestamp.FromSeconds(e.Value))
        .Keys();

    private static IntervalWindow Window(int from, int to) => new(Timestamp.FromSeconds(from), Timestamp.FromSeconds(to));

    private static async Task RunAsync(Action<Pipeline> build, params string[] options)
    {
        var pipeline = TestPipeline.Create(options);
        build(pipeline);
        await using var result = await pipeline.RunAsync();
        Assert.That(result.State, Is.EqualTo(PipelineState.Done));
        Assert.That(result.ToString(), Does.Match("^job .+: Done, [0-9]+\\.[0-9] s$"));
    }
}

/// <summary>A short way to the combining of groups.</summary>
internal static class GroupedCombine
{
    public static PCollection<KV<TKey, int>> CombineGroupedAs<TKey>(this PCollection<KV<TKey, int>> input) => input.GroupByKey().CombineGroupedValues(new SumFn<int>());
}
