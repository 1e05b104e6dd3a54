using System.Globalization;
using Beam.Model.FnExecution;
using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

public sealed class LifecycleTests
{
    [Test]
    public async Task A_function_lives_for_many_bundles_and_is_torn_down_at_the_end()
    {
        var (runner, stage, input, output, probe) = Start();
        for (var i = 0; i < 3; i++)
        {
            var bundle = await runner.RunBundleAsync(stage, input, Enumerable.Repeat("x", i));
            Assert.That(await bundle.ValuesAsync(output), Is.EqualTo([string.Create(CultureInfo.InvariantCulture, $"{i} elements")]));
        }

        await runner.DisposeAsync();
        Assert.That(probe.Events, Is.EqualTo(
            ["setup on worker-1", "start", "finish", "start", "finish", "start", "finish", "teardown"]));
        Assert.That(runner.DescriptorRequests, Is.EqualTo(1));
    }

    [Test]
    public async Task A_failed_bundle_leaves_its_functions_torn_down_and_the_next_gets_new_ones()
    {
        var (runner, stage, input, output, probe) = Start();
        var failed = await runner.RunBundleAsync(stage, input, "x", "fail");
        Assert.That(await failed.ErrorAsync(), Is.Not.Empty);
        var next = await runner.RunBundleAsync(stage, input, "x");
        Assert.That(await next.ValuesAsync(output), Is.EqualTo(["1 elements"]));
        await runner.DisposeAsync();
        // The next bundle does not wait until the failed one has been cleared away.
        Assert.That(probe.Events, Is.EquivalentTo(
            (string[])["setup on worker-1", "start", "teardown", "setup on worker-1", "start", "finish", "teardown"]));
    }

    [Test]
    public async Task A_failure_is_reported_with_type_message_transform_and_stack_trace()
    {
        var (runner, stage, input, _, _) = Start();
        var bundle = await runner.RunBundleAsync(stage, input, "fail");
        var error = await bundle.ErrorAsync();
        await runner.DisposeAsync();
        Assert.That(error.Split('\n')[0], Is.EqualTo("System.InvalidOperationException: bad element fail [while running 'Outer/Life']"));
        Assert.That(error, Does.Contain("bad element\nfail"));
        Assert.That(error, Does.Contain($"at {typeof(LifeFn).FullName}.ProcessElement"));
    }

    [Test]
    public async Task A_failed_bundle_tells_what_it_had_done()
    {
        var (runner, stage, input, _, _) = Start();
        var bundle = await runner.RunBundleAsync(stage, input, "x", "fail");
        Assert.That(await bundle.ErrorAsync(), Is.Not.Empty);
        var read = (await bundle.Response).ProcessBundle.MonitoringInfos.Single(info => info.Urn == Model.BeamUrns.Metrics.DataChannelReadIndex);
        Assert.That(MonitoringTests.Varint(read.Payload), Is.GreaterThan(0));
        await runner.DisposeAsync();
    }

    [Test]
    public async Task A_slow_bundle_does_not_stop_the_others()
    {
        var name = nameof(A_slow_bundle_does_not_stop_the_others);
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new GateFn(name, "stop"), "Gate");
        var stage = new Stage(pipeline).Source(input).Sink(output);
        await using var runner = FakeRunner.Start();
        var slow = await runner.StartBundleAsync(stage);
        await slow.SendAsync(input, [WindowedValue.InGlobalWindow("stop")], isLast: false);
        await Probe.Of(name).Reached;
        var megabyte = new string('x', 1 << 20);
        try
        {
            // More than one bundle's share, and more messages than the stream itself holds.
            for (var i = 0; i < 100; i++) await slow.SendAsync(input, [WindowedValue.InGlobalWindow(megabyte)], isLast: false).WaitAsync(TimeSpan.FromMinutes(1));
            var fast = await runner.StartBundleAsync(stage);
            await fast.SendAsync(input, [WindowedValue.InGlobalWindow("fast")], isLast: true);
            Assert.That(await fast.ValuesAsync(output), Is.EqualTo(["fast"]));
        }
        finally
        {
            Probe.Of(name).Gate.Set();
        }

        await slow.SendAsync(input, [WindowedValue.InGlobalWindow("last")], isLast: true);
        Assert.That(await slow.ValuesAsync(output), Has.Count.EqualTo(102));
    }

    [Test]
    public async Task A_data_stream_that_breaks_ends_the_harness()
    {
        var (runner, stage, input, _, _) = Start();
        await runner.RunBundleAsync(stage, input, "x");
        var error = await Assert.ThrowsAsync<IOException>(() => runner.BreakDataAsync().WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.That(error!.Message, Does.Contain("A stream to the runner broke"));
    }

    [Test]
    public async Task A_function_that_cannot_be_set_up_fails_its_bundle()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new SetupFailsFn(), "Open");
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "x");
        Assert.That(await bundle.ErrorAsync(), Does.StartWith("System.IO.FileNotFoundException: no model [while running 'Open']\n"));
    }

    [Test]
    public async Task A_function_that_swallows_a_later_failure_fails_its_bundle()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new SwallowFn(), "Swallow").ParallelDo(new LifeFn("swallow"), "Later");
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "fail");
        Assert.That(await bundle.ErrorAsync(), Does.Contain("'Later' failed on an output of 'Swallow', which caught the exception"));
    }

    [Test]
    public async Task A_hundred_bundles_run_at_a_time()
    {
        const int bundles = 100;
        var name = nameof(A_hundred_bundles_run_at_a_time);
        var probe = Probe.Of(name);
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new MeetFn(name, bundles));
        var stage = new Stage(pipeline).Source(input).Sink(output);
        await using var runner = FakeRunner.Start();
        var running = await Task.WhenAll(Enumerable.Range(0, bundles).Select(i => runner.RunBundleAsync(stage, input, $"bundle {i}")));
        var outputs = await Task.WhenAll(running.Select(b => b.ValuesAsync(output)));
        Assert.That(outputs.SelectMany(o => o), Is.EquivalentTo(Enumerable.Range(0, bundles).Select(i => $"bundle {i}")));
        Assert.That(probe.Highest, Is.EqualTo(bundles));
    }

    [Test]
    public async Task Bundles_beyond_the_limit_wait_and_hold_up_nobody()
    {
        var name = nameof(Bundles_beyond_the_limit_wait_and_hold_up_nobody);
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new GateFn(name, "stop"));
        var stage = new Stage(pipeline).Source(input).Sink(output);
        await using var runner = FakeRunner.Start(FakeRunner.DefaultOptions with { MaxBundles = 1 });
        var first = await runner.StartBundleAsync(stage);
        await first.SendAsync(input, [WindowedValue.InGlobalWindow("stop")], isLast: false);
        await Probe.Of(name).Reached;

        // More than the bound of a queue arrives for a bundle that has no thread yet, and then the rest of the one that has.
        var second = await runner.StartBundleAsync(stage);
        var big = new string('x', 1 << 20);
        for (var i = 0; i < 40; i++) await second.SendAsync(input, [WindowedValue.InGlobalWindow(big)], isLast: i == 39);
        await first.SendAsync(input, [WindowedValue.InGlobalWindow("end")], isLast: true);
        Probe.Of(name).Gate.Set();
        Assert.That(await first.ValuesAsync(output), Is.EqualTo(["stop", "end"]));
        Assert.That(await second.ValuesAsync(output), Has.Count.EqualTo(40));
    }

    [Test]
    public async Task Functions_share_one_object_per_key_until_the_worker_ends()
    {
        var name = nameof(Functions_share_one_object_per_key_until_the_worker_ends);
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new SharingFn(name), "First").ParallelDo(new SharingFn(name), "Second");
        var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(new Stage(pipeline).Source(input).Sink(output), input, "x");
        Assert.That(await bundle.ValuesAsync(output), Is.EqualTo(["x"]));
        Assert.That(Probe.Of(name).Events, Is.EqualTo(["made"]));
        await runner.DisposeAsync();
        Assert.That(Probe.Of(name).Events, Is.EqualTo(["made", "disposed"]));
    }

    [Test]
    public async Task Instructions_that_need_no_bundle_are_answered()
    {
        await using var runner = FakeRunner.Start();
        var registered = await runner.SendAsync(new InstructionRequest { Register = new RegisterRequest() });
        var finalized = await runner.SendAsync(new InstructionRequest { FinalizeBundle = new FinalizeBundleRequest() });
        var progress = await runner.SendAsync(new InstructionRequest { ProcessBundleProgress = new ProcessBundleProgressRequest { InstructionId = "gone" } });
        var unknown = await runner.SendAsync(new InstructionRequest());
        Assert.Multiple(() =>
        {
            Assert.That(registered.ResponseCase, Is.EqualTo(InstructionResponse.ResponseOneofCase.Register));
            Assert.That(finalized.ResponseCase, Is.EqualTo(InstructionResponse.ResponseOneofCase.FinalizeBundle));
            Assert.That(progress.ProcessBundleProgress.MonitoringInfos, Is.Empty);
            Assert.That(unknown.Error, Does.Contain("does not know this kind of instruction"));
        });
    }

    [Test]
    public async Task A_bundle_of_an_unknown_transform_says_which()
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.ParallelDo(new UpperFn(), "Upper");
        var stage = new Stage(pipeline).Source(input).Sink(output);
        stage.Descriptor.Transforms["Upper"].Spec.Urn = "beam:transform:magic:v1";
        await using var runner = FakeRunner.Start();
        var bundle = await runner.RunBundleAsync(stage, input, "x");
        Assert.That(await bundle.ErrorAsync(), Does.Contain("cannot run 'Upper': it knows no transform 'beam:transform:magic:v1'"));
    }

    private static (FakeRunner Runner, Stage Stage, PCollection<string> Input, PCollection<string> Output, Probe Probe) Start(
        [System.Runtime.CompilerServices.CallerMemberName] string test = "")
    {
        var pipeline = Pipeline.Create();
        var input = Stage.Input<string>(pipeline);
        var output = input.Apply("Outer", p => p.ParallelDo(new LifeFn(test), "Life"));
        return (FakeRunner.Start(), new Stage(pipeline).Source(input).Sink(output), input, output, Probe.Of(test));
    }

    private sealed class SetupFailsFn : DoFn<string, string>
    {
        public override void Setup(SetupContext context) => throw new FileNotFoundException("no model");

        public override void ProcessElement(string element, ProcessContext<string> context) => context.Output(element);
    }

    private sealed class SwallowFn : DoFn<string, string>
    {
        public override void ProcessElement(string element, ProcessContext<string> context)
        {
            try
            {
                context.Output(element);
            }
            catch (InvalidOperationException)
            {
            }
        }
    }

    /// <summary>Waits until as many bundles as the test wants are at this element.</summary>
    private sealed class MeetFn(string probe, int parties) : DoFn<string, string>
    {
        public override void ProcessElement(string element, ProcessContext<string> context)
        {
            if (Probe.Of(probe).Enter() == parties) Probe.Of(probe).Gate.Set();
            Probe.Of(probe).Gate.Wait();
            context.Output(element);
        }
    }

    private sealed class SharingFn(string probe) : DoFn<string, string>
    {
        public override void Setup(SetupContext context) => context.GetShared("shared", () => new Shared(probe));

        public override void ProcessElement(string element, ProcessContext<string> context) => context.Output(element);
    }

    private sealed class Shared : IDisposable
    {
        private readonly string _probe;

        public Shared(string probe) => Probe.Of(_probe = probe).Add("made");

        public void Dispose() => Probe.Of(_probe).Add("disposed");
    }
}
