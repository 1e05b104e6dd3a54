using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Beam.Rpc;

/// <summary>The seam on Grpc.Net.Client and Grpc.AspNetCore, compiled with <c>-p:UseGrpcPackages=true</c>.</summary>
internal static class RpcBinding
{
    public static (CallInvoker, IDisposable) CreateInvoker(RpcTarget target, HttpMessageHandler transport, RpcChannelOptions options)
    {
        var channel = GrpcChannel.ForAddress(target.Address, new GrpcChannelOptions
        {
            HttpHandler = transport,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = options.MaxReceiveMessageSize,
            MaxSendMessageSize = options.MaxSendMessageSize,
        });
        return (channel.CreateCallInvoker(), channel);
    }

    public static void AddServices(IServiceCollection services, RpcServerOptions options) => services.AddRouting().AddGrpc(grpc =>
    {
        grpc.MaxReceiveMessageSize = options.MaxReceiveMessageSize;
        grpc.MaxSendMessageSize = options.MaxSendMessageSize;
    });

    public static void Map(WebApplication app, RpcServerOptions options, IEnumerable<ServerServiceDefinition> services)
    {
        foreach (var service in services) app.MapGrpcService(service);
    }
}
