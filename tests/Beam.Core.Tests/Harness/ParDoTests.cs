using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

public sealed class ParDoTests
{
    [Test]
    public async Task A_chain_of_functions_processes_a_bundle()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new UpperFn()).ParallelDo(new LengthFn());
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "a", "bcd", "");
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo([1L, 3L, 0L]));
    }

    [Test]
    public async Task Two_functions_can_read_one_collection()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var upper = input.ParallelDo(new UpperFn());
        var length = input.ParallelDo(new LengthFn());
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(upper, length, input), input, "a", "bc");
        Assert.That(await bundle.ValuesAsync(upper), Is.EqualTo(["A", "BC"]));
        Assert.That(await bundle.ValuesAsync(length), Is.EqualTo([1L, 2L]));
        Assert.That(await bundle.ValuesAsync(input), Is.EqualTo(["a", "bc"]));
    }

    [Test]
    public async Task Tagged_outputs_reach_their_collections()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var (words, numbers) = (new OutputTag<string>("words"), new OutputTag<long>("numbers"));
        var sorted = input.Apply(ParDo.Of(new SortFn(numbers), words, numbers));
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(
            new Stage(pipeline).Source(input).Sink(sorted.Get(words), sorted.Get(numbers)), input, "one", "2", "three");
        Assert.That(await bundle.ValuesAsync(sorted.Get(words)), Is.EqualTo(["one", "three"]));
        Assert.That(await bundle.ValuesAsync(sorted.Get(numbers)), Is.EqualTo([2L]));
    }

    [Test]
    public async Task A_tag_that_was_not_declared_fails_and_names_those_that_were()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new SortFn(new OutputTag<long>("numbers")), "Sort");
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "1");
        Assert.That(await bundle.ErrorAsync(), Does.Contain("'Sort' has no output 'numbers', only 'out'"));
    }

    [Test]
    public async Task An_element_in_several_windows_is_processed_in_each()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline, windowing: new WindowingStrategy(SlidingWindows.Of(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(1))));
        var described = input.ParallelDo(new DescribeFn());
        var untouched = input.ParallelDo(new WindowlessFn());
        var windows = input.Windowing.WindowFn.Assign(Timestamp.FromMilliseconds(1500));
        await using var runner = FakeRunner.Start();
        var element = new WindowedValue<string>("x", Timestamp.FromMilliseconds(1500), windows, PaneInfo.OnTimeAndOnlyFiring);
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(described, untouched), input, [element]);

        Assert.That(windows, Has.Count.EqualTo(2));
        var each = await bundle.OutputAsync(described);
        Assert.That(each.Select(e => e.Value), Is.EqualTo(windows.Select(w => $"x @ 1500 in {w} OnTime")));
        Assert.That(each.Select(e => e.Windows.Single()), Is.EqualTo(windows));
        Assert.That(await bundle.OutputAsync(untouched), Is.EqualTo([element]));
    }

    [Test]
    public async Task More_than_a_mebibyte_of_output_is_sent_in_parts()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new UpperFn());
        var words = Enumerable.Range(0, 50_000).Select(i => $"word number {i} with some more text around it to fill the buffer").ToList();
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, words);
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(words.Select(w => w.ToUpperInvariant())));
    }

    [Test]
    public async Task Elements_may_come_within_the_request_and_go_within_the_response()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new UpperFn());
        var options = FakeRunner.DefaultOptions with
        {
            RunnerCapabilities = new HashSet<string> { Model.BeamUrns.RunnerProtocols.ControlResponseElementsEmbedding },
        };
        await using var runner = FakeRunner.Start(options);
        var bundle = await runner.StartBundleAsync(new Stage(pipeline).Source(input).Sink(output), request => request.Elements = new()
        {
            Data =
            {
                new Model.FnExecution.Elements.Types.Data
                {
                    TransformId = "source:input", IsLast = true, Data_ = Stage.Encode(input, [WindowedValue.InGlobalWindow("within")]),
                },
            },
        });
        var response = await bundle.Response;
        Assert.That(response.Error, Is.Empty);
        Assert.That(response.ProcessBundle.Elements, Is.Not.Null);
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["WITHIN"]));
    }
}
