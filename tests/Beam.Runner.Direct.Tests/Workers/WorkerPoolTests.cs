using Beam.FnApi;
using Beam.Model.FnExecution;
using Beam.Runner.Direct.Engine;
using Beam.Runner.Direct.Workers;
using Google.Protobuf;
using TestElements = Beam.Runner.Direct.Tests.Engine.Elements;

namespace Beam.Runner.Direct.Tests.Workers;

/// <summary>How the runner takes what harnesses do, the badly behaved ones too: a scripted harness stands at the border.</summary>
public sealed class WorkerPoolTests
{
    private delegate Task Script(string instruction, List<string> input, IMessageStream<Elements, Elements> data, Func<string, Task> respond);

    [Test]
    public async Task A_bundle_succeeds_when_its_response_and_the_end_of_its_outputs_have_come()
    {
        var happened = await RunAsync(async (instruction, input, data, respond) =>
        {
            await data.WriteAsync(Data(instruction, "sink", TestElements.WordChunk([.. input.Select(word => word + "!")]).Data));
            await respond("");
            await data.WriteAsync(Data(instruction, "sink", default, isLast: true));
        });
        var result = ((SchedulerEvent.Succeeded)happened).Result;
        Assert.That(result.Outputs["sink"].SelectMany(TestElements.ReadWords), Is.EqualTo(new[] { "a!", "b!", "c!" }));
    }

    [Test]
    public async Task An_error_in_the_response_is_a_failure_of_the_users_code()
    {
        var happened = await RunAsync((_, _, _, respond) => respond("System.Exception: boom"));
        Assert.That(((SchedulerEvent.Failed)happened).Error, Is.EqualTo("System.Exception: boom"));
    }

    [Test]
    public async Task Elements_that_are_malformed_fail_the_bundle()
    {
        var happened = await RunAsync(async (instruction, _, data, respond) =>
        {
            await data.WriteAsync(Data(instruction, "sink", new byte[] { 1, 2, 3 }, isLast: true));
            await respond("");
        });
        Assert.That(((SchedulerEvent.Failed)happened).Error, Does.Contain("malformed"));
    }

    [Test]
    public async Task Elements_for_an_output_that_does_not_exist_fail_the_bundle()
    {
        var happened = await RunAsync(async (instruction, _, data, respond) =>
        {
            await data.WriteAsync(Data(instruction, "elsewhere", default, isLast: true));
            await respond("");
        });
        Assert.That(((SchedulerEvent.Failed)happened).Error, Does.Contain("'elsewhere'"));
    }

    [Test]
    public async Task A_harness_that_ends_in_the_middle_of_a_bundle_is_a_lost_worker()
    {
        var happened = await RunAsync((_, _, _, _) => throw new InvalidOperationException("the harness crashed"));
        Assert.That(((SchedulerEvent.Lost)happened).Reason, Does.Contain("the harness crashed"));
    }

    [Test]
    public async Task Workers_that_are_lost_while_they_have_nothing_to_do_are_replaced_as_often_as_it_takes()
    {
        var left = 6;
        var lost = new LostWorkers(6);
        var events = SchedulerEvent.CreateChannel();
        var service = new FnApiService((_, _) => { });
        var launcher = new InMemoryWorkerLauncher(service, "nowhere", async (connector, _, _, stop) =>
        {
            if (Interlocked.Decrement(ref left) < 0) await HarnessAsync(connector, (_, _, _, respond) => respond("here"), stop);
            else await using (await connector.ConnectControlAsync(stop)) await Task.Yield();
        });
        var pool = new WorkerPool(service, launcher, new WorkerPoolOptions { RestartDelay = TimeSpan.FromMilliseconds(1) }, events.Writer, lost);
        try
        {
            await lost.All.WaitAsync(TimeSpan.FromSeconds(60));
            pool.Enqueue(new Bundle(WordStage.Stage, 0, [TestElements.WordChunk("a")], new Dictionary<(string, string), SideInputView>()));
            var happened = await events.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
            Assert.That(((SchedulerEvent.Failed)happened).Error, Is.EqualTo("here"));
        }
        finally
        {
            await pool.StopAsync(abort: true);
        }
    }

    private sealed class LostWorkers(int expected) : IJobObserver
    {
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _left = expected;

        public Task All => _all.Task;

        public void WorkerLost(string workerId, string reason)
        {
            if (Interlocked.Decrement(ref _left) == 0) _all.TrySetResult();
        }
    }

    /// <summary>Gives one bundle of three words to a pool whose harnesses follow the script.</summary>
    private static async Task<SchedulerEvent> RunAsync(Script script)
    {
        var events = SchedulerEvent.CreateChannel();
        var service = new FnApiService((_, _) => { });
        var launcher = new InMemoryWorkerLauncher(service, "nowhere", (connector, _, _, stop) => HarnessAsync(connector, script, stop));
        var pool = new WorkerPool(service, launcher, new WorkerPoolOptions(), events.Writer, new JobObservers());
        try
        {
            pool.Enqueue(new Bundle(WordStage.Stage, 0, [TestElements.WordChunk("a", "b"), TestElements.WordChunk("c")], new Dictionary<(string, string), SideInputView>()));
            return await events.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        }
        finally
        {
            await pool.StopAsync(abort: true);
        }
    }

    private static async Task HarnessAsync(IFnApiConnector connector, Script script, CancellationToken cancellationToken)
    {
        await using var control = await connector.ConnectControlAsync(cancellationToken);
        await using var data = await connector.ConnectDataAsync(new Proto.ApiServiceDescriptor(), cancellationToken);
        await foreach (var request in control.ReadAllAsync(cancellationToken))
        {
            if (request.ProcessBundle is null) continue;
            var input = new List<string>();
            await foreach (var elements in data.ReadAllAsync(cancellationToken))
            {
                Assert.That(elements.Data.Select(part => (part.InstructionId, part.TransformId)), Is.All.EqualTo((request.InstructionId, "source")));
                foreach (var part in elements.Data) input.AddRange(TestElements.ReadWords(part.Data_.Memory));
                if (elements.Data[^1].IsLast) break;
            }

            await script(request.InstructionId, input, data, async error =>
                await control.WriteAsync(new InstructionResponse { InstructionId = request.InstructionId, Error = error, ProcessBundle = new() }, cancellationToken));
        }

        await control.CompleteAsync();
    }

    private static Elements Data(string instruction, string transform, ReadOnlyMemory<byte> bytes, bool isLast = false) => new()
    {
        Data = { new Elements.Types.Data { InstructionId = instruction, TransformId = transform, Data_ = ByteString.CopyFrom(bytes.Span), IsLast = isLast } },
    };
}
