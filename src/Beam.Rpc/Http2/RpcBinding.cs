using Beam.Rpc.Client;
using Beam.Rpc.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Beam.Rpc;

/// <summary>The seam: which gRPC implementation makes calls and serves them. This one is ours; GrpcPackages has the other.</summary>
internal static class RpcBinding
{
    public static (CallInvoker, IDisposable) CreateInvoker(RpcTarget target, HttpMessageHandler transport, RpcChannelOptions options)
    {
        var invoker = new HttpCallInvoker(target, transport, options);
        return (invoker, invoker);
    }

    /// <summary>Registers what serving needs: nothing here.</summary>
    public static void AddServices(IServiceCollection services, RpcServerOptions options) { }

    public static void Map(WebApplication app, RpcServerOptions options, IEnumerable<ServerServiceDefinition> services) =>
        app.Run(new MethodTable(options, services).InvokeAsync);
}
