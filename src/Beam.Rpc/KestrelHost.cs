using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Beam.Rpc;

/// <summary>Kestrel with nothing around it: how every server of the product begins, whatever it serves.</summary>
internal static class KestrelHost
{
    /// <param name="configure">Says where to listen and within which limits.</param>
    /// <param name="loggers">Where the server logs; null for nowhere. It stays its owner's.</param>
    public static WebApplicationBuilder CreateBuilder(Action<KestrelServerOptions> configure, ILoggerFactory? loggers)
    {
        // The empty builder reads no environment variables, files or arguments.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            configure(kestrel);
        });
        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = UnixSocket.Bind);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        if (loggers is not null) builder.Services.AddSingleton(loggers);
        // How long a stop may take is for the token that it is given to say.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        return builder;
    }

    /// <summary>The address that a server got, as a URL.</summary>
    public static string BoundAddress(WebApplication app) =>
        app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First();

    /// <summary>The process belongs to whoever embeds the server: no Ctrl-C handler of the host's own.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
