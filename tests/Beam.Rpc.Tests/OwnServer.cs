using Beam.Rpc.Tests.Protos;

namespace Beam.Rpc.Tests;

/// <summary>Our server with the test service, and a channel to it.</summary>
internal sealed class OwnServer : IAsyncDisposable
{
    private OwnServer(RpcServer server, InteropService service, RpcChannelOptions? options)
    {
        (Server, Service) = (server, service);
        Channel = RpcChannel.Connect(server.Target, options);
        Client = new Interop.InteropClient(Channel);
    }

    public RpcServer Server { get; }
    public InteropService Service { get; }
    public RpcChannel Channel { get; }
    public Interop.InteropClient Client { get; }

    public static async Task<OwnServer> StartAsync(RpcServerOptions? server = null, RpcChannelOptions? channel = null)
    {
        var service = new InteropService();
        return new OwnServer(await RpcServer.StartAsync(server ?? new(), [Interop.BindService(service)]), service, channel);
    }

    public async ValueTask DisposeAsync()
    {
        await Channel.DisposeAsync();
        await Server.DisposeAsync();
    }
}
