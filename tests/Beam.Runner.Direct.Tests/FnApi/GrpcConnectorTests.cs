using Beam.FnApi;
using Beam.Model.FnExecution;
using Beam.Model.Pipeline;
using Beam.Rpc;
using Beam.Runner.Direct.Workers;
using Grpc.Core;

namespace Beam.Runner.Direct.Tests.FnApi;

public sealed class GrpcConnectorTests
{
    [Test]
    public async Task A_worker_that_has_the_token_and_is_expected_is_served()
    {
        var service = new FnApiService((_, _) => { });
        service.Publish([new ProcessBundleDescriptor { Id = "stage-1" }]);
        var worker = service.Expect("worker-1");
        await using var server = await StartAsync(service);
        await using var connector = new GrpcFnApiConnector(server.Target, "worker-1", "token");
        await using var control = await connector.ConnectControlAsync(CancellationToken.None);

        var answer = worker.SendAsync(new InstructionRequest { InstructionId = "1", ProcessBundle = new() { ProcessBundleDescriptorId = "stage-1" } }, CancellationToken.None);
        await foreach (var request in control.ReadAllAsync())
        {
            Assert.That(request.InstructionId, Is.EqualTo("1"));
            Assert.That((await connector.GetProcessBundleDescriptorAsync("stage-1", CancellationToken.None)).Id, Is.EqualTo("stage-1"));
            Assert.That(() => connector.GetProcessBundleDescriptorAsync("stage-2", CancellationToken.None).AsTask(), Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.NotFound));
            await control.WriteAsync(new InstructionResponse { InstructionId = "1", Error = "done" });
            break;
        }

        Assert.That((await answer).Error, Is.EqualTo("done"));
    }

    [Test]
    public async Task The_end_of_instructions_reaches_the_harness()
    {
        var service = new FnApiService((_, _) => { });
        var worker = service.Expect("worker-1");
        await using var server = await StartAsync(service);
        await using var connector = new GrpcFnApiConnector(server.Target, "worker-1", "token");
        await using var control = await connector.ConnectControlAsync(CancellationToken.None);
        await worker.Connected;
        worker.Complete();
        Assert.That(await control.ReadAllAsync().AnyAsync(), Is.False);
    }

    [Test]
    public async Task A_broken_connection_loses_the_worker()
    {
        var service = new FnApiService((_, _) => { });
        var worker = service.Expect("worker-1");
        await using var server = await StartAsync(service);
        var connector = new GrpcFnApiConnector(server.Target, "worker-1", "token");
        var control = await connector.ConnectControlAsync(CancellationToken.None);
        await worker.Connected;
        var answer = worker.SendAsync(new InstructionRequest { InstructionId = "1" }, CancellationToken.None);
        await control.DisposeAsync();
        await connector.DisposeAsync();
        Assert.That(async () => await answer, Throws.TypeOf<WorkerLostException>());
    }

    [TestCase("worker-1", "wrong", StatusCode.Unauthenticated)]
    [TestCase("worker-1", null, StatusCode.Unauthenticated)]
    [TestCase("stranger", "token", StatusCode.NotFound)]
    public async Task Everyone_else_is_refused(string workerId, string? token, object status)
    {
        var service = new FnApiService((_, _) => { });
        service.Expect("worker-1");
        await using var server = await StartAsync(service);
        await using var connector = new GrpcFnApiConnector(server.Target, workerId, token);
        var endpoint = new ApiServiceDescriptor { Url = server.Target };
        await using var control = await connector.ConnectControlAsync(CancellationToken.None);
        await using var data = await connector.ConnectDataAsync(endpoint, CancellationToken.None);
        await using var state = await connector.ConnectStateAsync(endpoint, CancellationToken.None);
        await using var logging = await connector.ConnectLoggingAsync(CancellationToken.None);
        Func<Task>[] calls =
        [
            async () => await control.ReadAllAsync().AnyAsync(), async () => await data.ReadAllAsync().AnyAsync(),
            async () => await state.ReadAllAsync().AnyAsync(), async () => await logging.ReadAllAsync().AnyAsync(),
            async () => await connector.GetProcessBundleDescriptorAsync("stage-1", CancellationToken.None),
        ];
        foreach (var call in calls) Assert.That(() => call(), Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(status));
    }

    private static Task<RpcServer> StartAsync(FnApiService service) =>
        RpcServer.StartAsync(new RpcServerOptions { BearerToken = "token", MaxReceiveMessageSize = null, ShutdownGrace = TimeSpan.FromSeconds(1) }, FnApiGrpcServices.Bind(service));
}
