using Beam.Metrics;
using Beam.Testing;

namespace Beam.Runner.Direct.Tests.EndToEnd;

/// <summary>Whole pipelines, in this process and over worker processes.</summary>
[TestFixture("in_memory", 2)]
[TestFixture("multi_processing", 2)]
public sealed class PipelineTests(string mode, int workers)
{
    private static readonly Counter Seen = Metric.Counter("test", "seen");
    private static readonly Distribution Lengths = Metric.Distribution("test", "lengths");
    private static readonly StringSet Words = Metric.StringSet("test", "words");
    private static readonly Gauge Last = Metric.Gauge("test", "last");

    [Test]
    public async Task Words_are_grouped_and_counted()
    {
        var p = Pipeline();
        var pairs = p.Create("a", "b", "a", "c", "a").Map(word => KV.Of(word, 1));
        PAssert.That(pairs.GroupByKey().Map(group => KV.Of(group.Key, group.Value.Count()))).ContainsInAnyOrder(KV.Of("a", 3), KV.Of("b", 1), KV.Of("c", 1));
        PAssert.That(pairs.SumPerKey()).ContainsInAnyOrder(KV.Of("a", 3), KV.Of("b", 1), KV.Of("c", 1));
        await using var result = await p.RunAsync();
        Assert.That(result.State, Is.EqualTo(PipelineState.Done));
    }

    [Test]
    public async Task Groups_of_groups_and_flattened_branches_come_together()
    {
        var p = Pipeline();
        var numbers = p.GenerateSequence(0, 100);
        var grouped = numbers.Map(n => KV.Of(n % 10, n)).GroupByKey();
        var sums = grouped.Map(group => KV.Of(group.Key % 2, group.Value.Sum()));
        var twice = grouped.GroupByKey().Map(group => KV.Of(group.Key % 2, group.Value.Single().Sum()));
        PAssert.That(sums.Flatten(twice).SumPerKey()).ContainsInAnyOrder(KV.Of(0L, 4900L), KV.Of(1L, 5000L));
        await using var result = await p.RunAsync();
    }

    [Test]
    public async Task Side_inputs_of_every_kind_are_read()
    {
        var p = Pipeline();
        var side = p.Create(KV.Of("a", 1), KV.Of("b", 2), KV.Of("b", 3));
        var main = p.Create("a", "b", "z");
        PAssert.That(main.Map(side.AsMultimap(), (word, map) => $"{word}{map[word].Sum()}")).ContainsInAnyOrder("a1", "b5", "z0");
        PAssert.That(main.Map(side.Values().AsIterable(), (word, all) => $"{word}{all.Sum()}")).ContainsInAnyOrder("a6", "b6", "z6");
        PAssert.That(main.Map(side.Values().Sum().AsSingleton(), (word, sum) => $"{word}{sum}")).ContainsInAnyOrder("a6", "b6", "z6");
        await using var result = await p.RunAsync();
    }

    [Test]
    public async Task A_side_input_larger_than_a_message_is_read_in_pages()
    {
        var p = Pipeline();
        var side = p.GenerateSequence(0, 4000).Map(n => n.ToString("D1000", System.Globalization.CultureInfo.InvariantCulture));
        PAssert.That(p.Create("x").Map(side.AsIterable(), (_, all) => all.Sum(text => long.Parse(text, System.Globalization.CultureInfo.InvariantCulture)))).ContainsInAnyOrder(3999L * 2000);
        await using var result = await p.RunAsync();
    }

    [Test]
    public async Task Windows_group_by_time()
    {
        var p = Pipeline();
        var timed = p.Create(1L, 3, 12, 25, 27).WithTimestamps(Timestamp.FromMilliseconds).Map(n => KV.Of("k", n));
        PAssert.That(timed.WindowInto(new FixedWindows(TimeSpan.FromMilliseconds(10))).SumPerKey().Values()).ContainsInAnyOrder(4, 12, 52);
        PAssert.That(timed.WindowInto(new SlidingWindows(TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(10)), name: "Slide").SumPerKey("SlidingSum").Values())
            .ContainsInAnyOrder(4, 16, 64, 52);
        PAssert.That(timed.WindowInto(new Sessions(TimeSpan.FromMilliseconds(9)), name: "Sessions").GroupByKey().Map(group => group.Value.Sum()))
            .ContainsInAnyOrder(16 - 12, 12, 52);
        await using var result = await p.RunAsync();
    }

    [Test]
    public async Task Reshuffled_elements_keep_their_windows_and_timestamps()
    {
        var p = Pipeline();
        var timed = p.Create(1L, 12, 25).WithTimestamps(Timestamp.FromMilliseconds).WindowInto(new FixedWindows(TimeSpan.FromMilliseconds(10)));
        PAssert.That(timed.Reshuffle().Map((n, context) => $"{n} {context.Timestamp.Milliseconds} {((IntervalWindow)context.Window).Start.Milliseconds}"))
            .ContainsInAnyOrder("1 1 0", "12 12 10", "25 25 20");
        await using var result = await p.RunAsync();
    }

    [Test]
    public async Task Metrics_are_those_of_committed_bundles_by_step()
    {
        var p = Pipeline();
        p.Create("a", "bb", "ccc").Reshuffle().Map(
            word =>
            {
                Seen.Inc();
                Lengths.Update(word.Length);
                Words.Add(word);
                Last.Set(7);
                return word;
            }, "Measure");
        await using var result = await p.RunAsync();
        var counter = result.Metrics.Query("test", "seen").Counters.Single();
        Assert.That((counter.Step, counter.Committed, counter.Attempted), Is.EqualTo(("Measure", 3, 3)));
        Assert.That(result.Metrics.Query("test").Distributions.Single().Committed, Is.EqualTo(new DistributionResult(3, 6, 1, 3)));
        Assert.That(result.Metrics.Query("test").StringSets.Single().Committed, Is.EquivalentTo(new[] { "a", "bb", "ccc" }));
        Assert.That(result.Metrics.Query("test").Gauges.Single().Committed.Value, Is.EqualTo(7));
    }

    [Test]
    public async Task Many_elements_pass_through_a_grouping()
    {
        var p = Pipeline();
        PAssert.That(p.GenerateSequence(0, 200_000).Map(n => KV.Of(n % 1000, 1L)).GroupByKey().Map(group => group.Value.Sum()))
            .Satisfies(counts => counts.Count == 1000 && counts.All(count => count == 200));
        await using var result = await p.RunAsync();
    }

    [Test]
    public async Task Elements_of_tens_of_megabytes_pass()
    {
        var p = Pipeline();
        PAssert.That(p.Create(20, 40).Map(size => new byte[size << 20]).Reshuffle().Map(bytes => bytes.Length >> 20)).ContainsInAnyOrder(20, 40);
        await using var result = await p.RunAsync();
    }

    [Test]
    public async Task An_exception_fails_the_job_with_its_message_and_its_stack_trace()
    {
        var p = Pipeline();
        p.Create(1, 2, 3).Map(n => n == 2 ? throw new InvalidOperationException("two is not welcome") : n, "Refuse");
        var error = await Assert.ThrowsAsync<PipelineException>(() => p.RunAsync());
        Assert.That(error!.Message, Does.Contain("InvalidOperationException").And.Contain("two is not welcome").And.Contain("Refuse").And.Not.Contain("\n"));
        Assert.That(error.Details, Does.Contain(nameof(An_exception_fails_the_job_with_its_message_and_its_stack_trace)));
    }

    [Test]
    public async Task A_job_that_is_cancelled_ends_as_cancelled()
    {
        var options = PipelineOptions.Parse([$"--direct_running_mode={mode}", $"--direct_num_workers={workers}"]);
        var p = Beam.Pipeline.Create(options);
        var marker = Path.Combine(Path.GetTempPath(), $"cancel-{Guid.NewGuid():N}");
        p.Create(marker).Map(file =>
        {
            File.WriteAllText(file, "started");
            Thread.Sleep(500);
            return file;
        }).Reshuffle().Map(_ =>
        {
            Thread.Sleep(TimeSpan.FromSeconds(3));
            return 0;
        });
        await using var result = await p.StartAsync();
        await Wait.UntilAsync(() => File.Exists(marker));
        await result.CancelAsync();
        Assert.That(result.State, Is.EqualTo(PipelineState.Cancelled));
        Assert.That(await result.WaitUntilFinishAsync(), Is.EqualTo(PipelineState.Cancelled));
        File.Delete(marker);
    }

    [Test]
    public async Task Running_a_pipeline_waits_for_its_end()
    {
        var p = Beam.Pipeline.Create([$"--direct_running_mode={mode}", $"--direct_num_workers={workers}"]);
        p.Create(1, 2, 3).Map(n => KV.Of(0, n)).SumPerKey().Map(sum => { Seen.Inc(sum.Value); return sum; });
        await using var result = await p.RunAsync();
        Assert.That((result.State, result.Metrics.CounterValue("test", "seen")), Is.EqualTo((PipelineState.Done, 6)));
    }

    [Test]
    public async Task A_run_that_is_cancelled_has_ended()
    {
        var marker = Path.Combine(Path.GetTempPath(), $"run-cancel-{Guid.NewGuid():N}");
        using var cancel = new CancellationTokenSource();
        var p = Beam.Pipeline.Create([$"--direct_running_mode={mode}", $"--direct_num_workers={workers}"]);
        p.Create(marker).MapAsync(async (file, token) =>
        {
            await File.WriteAllTextAsync(file, "started", token);
            await Task.Delay(Timeout.Infinite, token);
            return file;
        });
        var running = p.RunAsync(cancel.Token);
        await Wait.UntilAsync(() => File.Exists(marker));
        await cancel.CancelAsync();
        await Assert.ThatAsync(() => running, Throws.InstanceOf<OperationCanceledException>());
        File.Delete(marker);
    }

    private TestPipeline Pipeline() => TestPipeline.Create($"--direct_running_mode={mode}", $"--direct_num_workers={workers}");
}
