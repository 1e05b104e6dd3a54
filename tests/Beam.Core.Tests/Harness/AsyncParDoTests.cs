using Beam.Metrics;
using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

public sealed class AsyncParDoTests
{
    [Test]
    public async Task Elements_are_in_flight_together_up_to_the_limit_and_all_come_out()
    {
        var name = nameof(Elements_are_in_flight_together_up_to_the_limit_and_all_come_out);
        var (runner, bundle, output) = await RunAsync(new ConcurrentFn(name, 8), Enumerable.Range(0, 100).Select(i => $"{i}"));
        await using var _ = runner;
        Assert.That(await bundle.ValuesAsync(output), Is.EquivalentTo(Enumerable.Range(0, 100).Select(i => $"{i}")));
        Assert.That(Probe.Of(name).Highest, Is.EqualTo(8));
        Assert.That(Probe.Of(name).Events, Is.EqualTo(["start", "finish after 0"]));
    }

    [Test]
    public async Task An_element_does_not_wait_for_the_one_before()
    {
        var name = nameof(An_element_does_not_wait_for_the_one_before);
        var (runner, bundle, output) = await RunAsync(new OvertakeFn(name), ["slow", "fast"]);
        await using var _ = runner;
        Assert.That(await bundle.ValuesAsync(output), Is.EquivalentTo(["slow", "fast"]));
    }

    [Test]
    public async Task An_element_that_fails_cancels_the_others_and_fails_the_bundle()
    {
        var name = nameof(An_element_that_fails_cancels_the_others_and_fails_the_bundle);
        var (runner, bundle, _) = await RunAsync(new FailingFn(name), ["wait", "wait", "fail"]);
        await using var __ = runner;
        var error = await bundle.ErrorAsync();
        Assert.That(error.Split('\n')[0], Is.EqualTo("System.FormatException: not good [while running 'Async']"));
        Assert.That(error, Does.Contain("FailingFn.ProcessElementAsync"));
        await runner.DisposeAsync(); // the failure is told before its consequences are over
        Assert.That(Probe.Of(name).Events, Is.EqualTo(["cancelled", "cancelled", "torn down"]));
    }

    [Test]
    public async Task A_failure_is_told_before_elements_that_ignore_their_cancellation_have_ended()
    {
        var name = nameof(A_failure_is_told_before_elements_that_ignore_their_cancellation_have_ended);
        var (runner, bundle, _) = await RunAsync(new StubbornFn(name), ["stay", "fail"]);
        Assert.That(await bundle.ErrorAsync(), Does.StartWith("System.FormatException: not good [while running 'Async']\n"));
        Assert.That(Probe.Of(name).Events, Is.Empty);
        Probe.Of(name).AsyncGate.SetResult();
        await runner.DisposeAsync();
        Assert.That(Probe.Of(name).Events, Is.EqualTo(["stayed", "torn down"]));
    }

    [Test]
    public async Task Elements_that_never_end_are_left_behind_with_a_log_entry_that_names_their_transform()
    {
        var name = nameof(Elements_that_never_end_are_left_behind_with_a_log_entry_that_names_their_transform);
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new StubbornFn(name), "Async");
        var runner = FakeRunner.Start(FakeRunner.DefaultOptions with { ShutdownGrace = TimeSpan.FromMilliseconds(1) });
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "stay", "fail");
        Assert.That(await bundle.ErrorAsync(), Does.StartWith("System.FormatException"));
        while (runner.Logs.IsEmpty) await Task.Delay(10);
        Assert.That(runner.Logs.First().Message, Does.Contain("Async failed while it was ended"));
        Assert.That(runner.Logs.First().Trace, Does.Contain("1 elements of 'Async' go on"));
        await runner.DisposeAsync();
        Assert.That(Probe.Of(name).Events, Is.Empty, "a function in use is not torn down");
    }

    [Test]
    public async Task A_failure_ends_a_bundle_that_waits_for_more_elements()
    {
        var name = nameof(A_failure_ends_a_bundle_that_waits_for_more_elements);
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new FailingFn(name), "Async");
        await using var runner = FakeRunner.Start();
        var bundle = await runner.StartBundleAsync(new Stage(pipeline).Source(input).Sink(output));
        await bundle.SendAsync(input, [WindowedValue.InGlobalWindow("wait"), WindowedValue.InGlobalWindow("fail later")], isLast: false);
        await Probe.Of(name).Reached;
        Probe.Of(name).AsyncGate.SetResult();
        Assert.That(await bundle.ErrorAsync(), Does.StartWith("System.FormatException: not good later [while running 'Async']\n"));
    }

    [Test]
    public async Task Metrics_of_asynchronous_elements_count_for_their_transform()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new CountingFn(), "First").ParallelDo(new CountingFn(), "Second");
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "a", "b", "c");
        Assert.That(await bundle.ValuesAsync(output), Is.EquivalentTo(["a", "b", "c"]));
        var counters = (await bundle.Response).ProcessBundle.MonitoringInfos
            .Where(i => i.Urn == Model.BeamUrns.Metrics.UserSumInt64).ToDictionary(i => i.Labels["PTRANSFORM"], i => MonitoringTests.Varint(i.Payload));
        Assert.That(counters, Is.EquivalentTo(new Dictionary<string, long> { ["First"] = 3, ["Second"] = 3 }));
    }

    [Test]
    public async Task Tagged_outputs_timestamps_and_finish_outputs_arrive()
    {
        var late = new OutputTag<long>("late");
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var outputs = input.Apply(ParDo.Of(new TaggingFn(late), new OutputTag<string>("main"), late));
        var main = outputs.Get(new OutputTag<string>("main"));
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(main, outputs.Get(late)), input, "abc");
        Assert.That(await bundle.OutputAsync(outputs.Get(late)), Is.EqualTo([WindowedValue.InGlobalWindow(3L, Timestamp.FromMilliseconds(7))]));
        Assert.That(await bundle.OutputAsync(main), Is.EqualTo([WindowedValue.InGlobalWindow("end", Timestamp.FromMilliseconds(9))]));
    }

    private static async Task<(FakeRunner Runner, FakeRunner.Bundle Bundle, PCollection<string> Output)> RunAsync(
        AsyncDoFn<string, string> fn, IEnumerable<string> elements)
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(fn, "Async");
        var runner = FakeRunner.Start();
        return (runner, await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, elements), output);
    }

    /// <summary>Lets elements go on when as many as may be are in flight.</summary>
    private sealed class ConcurrentFn(string probe, int limit) : AsyncDoFn<string, string>
    {
        public override int MaxConcurrency => limit;

        public override Task StartBundleAsync(CancellationToken cancellationToken)
        {
            Probe.Of(probe).Add("start");
            return Task.CompletedTask;
        }

        public override async Task ProcessElementAsync(string element, ProcessContext<string> context, CancellationToken cancellationToken)
        {
            if (Probe.Of(probe).Enter() == limit) Probe.Of(probe).AsyncGate.TrySetResult();
            await Probe.Of(probe).AsyncGate.Task.WaitAsync(cancellationToken);
            await Task.Yield();
            Probe.Of(probe).Leave();
            context.Output(element);
        }

        public override Task FinishBundleAsync(FinishBundleContext<string> context, CancellationToken cancellationToken)
        {
            Probe.Of(probe).Add($"finish after {Probe.Of(probe).Counter}");
            return Task.CompletedTask;
        }
    }

    private sealed class OvertakeFn(string probe) : AsyncDoFn<string, string>
    {
        public override async Task ProcessElementAsync(string element, ProcessContext<string> context, CancellationToken cancellationToken)
        {
            if (element == "slow") await Probe.Of(probe).AsyncGate.Task.WaitAsync(cancellationToken);
            else Probe.Of(probe).AsyncGate.SetResult();
            context.Output(element);
        }
    }

    private sealed class FailingFn(string probe) : AsyncDoFn<string, string>
    {
        public override async Task ProcessElementAsync(string element, ProcessContext<string> context, CancellationToken cancellationToken)
        {
            if (element == "fail") throw new FormatException("not good");
            if (element == "fail later")
            {
                Probe.Of(probe).Reach();
                await Probe.Of(probe).AsyncGate.Task;
                throw new FormatException("not good later");
            }

            try
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }
            finally
            {
                Probe.Of(probe).Add("cancelled");
            }
        }

        public override Task TeardownAsync()
        {
            Probe.Of(probe).Add("torn down");
            return Task.CompletedTask;
        }
    }

    private sealed class StubbornFn(string probe) : AsyncDoFn<string, string>
    {
        public override async Task ProcessElementAsync(string element, ProcessContext<string> context, CancellationToken cancellationToken)
        {
            if (element == "fail") throw new FormatException("not good");
            await Probe.Of(probe).AsyncGate.Task;
            Probe.Of(probe).Add("stayed");
        }

        public override Task TeardownAsync()
        {
            Probe.Of(probe).Add("torn down");
            return Task.CompletedTask;
        }
    }

    private sealed class CountingFn : AsyncDoFn<string, string>
    {
        private static readonly Counter Seen = Metric.Counter("tests", "seen");

        public override async Task ProcessElementAsync(string element, ProcessContext<string> context, CancellationToken cancellationToken)
        {
            await Task.Yield();
            Seen.Inc();
            context.Output(element);
        }
    }

    private sealed class TaggingFn(OutputTag<long> late) : AsyncDoFn<string, string>
    {
        public override async Task ProcessElementAsync(string element, ProcessContext<string> context, CancellationToken cancellationToken)
        {
            await Task.Yield();
            context.Output(late, element.Length, Timestamp.FromMilliseconds(7));
        }

        public override async Task FinishBundleAsync(FinishBundleContext<string> context, CancellationToken cancellationToken)
        {
            await Task.Yield();
            context.Output("end", Timestamp.FromMilliseconds(9), GlobalWindow.Instance);
        }
    }
}
