using Beam.FnApi;
using Beam.Model.FnExecution;
using Beam.Runner.Direct.Engine;
using Beam.Runner.Direct.Workers;
using Grpc.Core;
using TestElements = Beam.Runner.Direct.Tests.Engine.Elements;

namespace Beam.Runner.Direct.Tests.Workers;

/// <summary>A stream of a worker that breaks, however it breaks, is a lost worker: every bundle that it had taken is told of once.</summary>
public sealed class BrokenStreamTests
{
    public enum Broken
    {
        Control,
        Data,
        State,
    }

    public enum While
    {
        Reading,
        Writing,
    }

    [Test]
    public async Task Each_bundle_of_the_worker_is_lost_once(
        [Values] Broken broken, [Values] While operation,
        [Values(typeof(OperationCanceledException), typeof(RpcException), typeof(InvalidOperationException), typeof(IOException))] Type error)
    {
        var events = SchedulerEvent.CreateChannel();
        var service = new FnApiService((_, _) => { });
        var faulty = new FaultyService(service, broken, operation, () => error == typeof(RpcException)
            ? new RpcException(new Status(StatusCode.Unavailable, "gone"))
            : (Exception)Activator.CreateInstance(error)!);
        var launcher = new InMemoryWorkerLauncher(faulty, "nowhere", (connector, _, _, stop) => HarnessAsync(connector, answers: broken == Broken.Control, stop));
        var pool = new WorkerPool(service, launcher, new WorkerPoolOptions { BundlesPerWorker = 2 }, events.Writer, new JobObservers());
        try
        {
            for (var i = 0; i < 2; i++) pool.Enqueue(new Bundle(WordStage.Stage, i, [TestElements.WordChunk("a")], new Dictionary<(string, string), SideInputView>()));
            var lost = new List<SchedulerEvent>();
            while (lost.Count < 2) lost.Add(await events.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60)));
            Assert.That(lost, Is.All.InstanceOf<SchedulerEvent.Lost>());
            Assert.That(lost.Cast<SchedulerEvent.Lost>().Select(e => e.Bundle.Index), Is.EquivalentTo(new[] { 0, 1 }));
        }
        finally
        {
            await pool.StopAsync(abort: true);
        }

        Assert.That(events.Reader.TryRead(out _), Is.False);
    }

    /// <summary>Uses every stream, and notices nothing itself.</summary>
    private static async Task HarnessAsync(IFnApiConnector connector, bool answers, CancellationToken cancellationToken)
    {
        await using var control = await connector.ConnectControlAsync(cancellationToken);
        await using var data = await connector.ConnectDataAsync(new Proto.ApiServiceDescriptor(), cancellationToken);
        await using var state = await connector.ConnectStateAsync(new Proto.ApiServiceDescriptor(), cancellationToken);
        await foreach (var request in control.ReadAllAsync(cancellationToken))
        {
            if (request.ProcessBundle is null) continue;
            try
            {
                if (answers) await control.WriteAsync(new InstructionResponse { InstructionId = request.InstructionId, ProcessBundle = new() }, cancellationToken);
                await data.WriteAsync(new Elements { Data = { new Elements.Types.Data { InstructionId = request.InstructionId, TransformId = "sink" } } }, cancellationToken);
                await state.WriteAsync(new StateRequest { InstructionId = request.InstructionId, Id = request.InstructionId }, cancellationToken);
            }
            catch (IOException)
            {
                // The runner's end broke.
            }
        }

        await control.CompleteAsync();
    }

    private sealed class FaultyService(IFnApiService inner, Broken broken, While operation, Func<Exception> error) : IFnApiService
    {
        public Task ControlAsync(string workerId, IMessageStream<InstructionResponse, InstructionRequest> stream, CancellationToken cancellationToken) =>
            inner.ControlAsync(workerId, Wrap(Broken.Control, stream), cancellationToken);

        public Task DataAsync(string workerId, IMessageStream<Elements, Elements> stream, CancellationToken cancellationToken) =>
            inner.DataAsync(workerId, Wrap(Broken.Data, stream), cancellationToken);

        public Task StateAsync(string workerId, IMessageStream<StateRequest, StateResponse> stream, CancellationToken cancellationToken) =>
            inner.StateAsync(workerId, Wrap(Broken.State, stream), cancellationToken);

        public Task LoggingAsync(string workerId, IMessageStream<LogEntry.Types.List, LogControl> stream, CancellationToken cancellationToken) =>
            inner.LoggingAsync(workerId, stream, cancellationToken);

        public ProcessBundleDescriptor GetProcessBundleDescriptor(string workerId, string id) => inner.GetProcessBundleDescriptor(workerId, id);

        private IMessageStream<TRead, TWrite> Wrap<TRead, TWrite>(Broken kind, IMessageStream<TRead, TWrite> stream) =>
            kind == broken ? new FaultyStream<TRead, TWrite>(stream, operation, error) : stream;
    }

    private sealed class FaultyStream<TRead, TWrite>(IMessageStream<TRead, TWrite> inner, While operation, Func<Exception> error) : IMessageStream<TRead, TWrite>
    {
        public IAsyncEnumerable<TRead> ReadAllAsync(CancellationToken cancellationToken) =>
            operation == While.Writing ? inner.ReadAllAsync(cancellationToken) : inner.ReadAllAsync(cancellationToken).Select<TRead, TRead>(_ => throw error());

        public ValueTask WriteAsync(TWrite message, CancellationToken cancellationToken) =>
            operation == While.Reading ? inner.WriteAsync(message, cancellationToken) : throw error();

        public ValueTask CompleteAsync(Exception? exception) => inner.CompleteAsync(exception);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
