using System.Collections.Frozen;
using Beam.Rpc.Protocol;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Beam.Rpc.Server;

/// <summary>The server's methods by path, and the check that a request is gRPC at all.</summary>
internal sealed class MethodTable
{
    private readonly FrozenDictionary<string, ServerMethod> _methods;
    private readonly FrozenSet<string> _services;
    private readonly ServerMethod _unknownMethod;
    private readonly ServerMethod _unknownService;

    public MethodTable(RpcServerOptions options, IEnumerable<ServerServiceDefinition> services)
    {
        var logger = (options.LoggerFactory ?? NullLoggerFactory.Instance).CreateLogger("Beam.Rpc.Server");
        var binder = new Binder(options, logger);
        foreach (var service in services) service.BindService(binder);
        _methods = binder.Methods.ToFrozenDictionary(StringComparer.Ordinal);
        _services = binder.Services.ToFrozenSet(StringComparer.Ordinal);
        _unknownMethod = new UnimplementedMethod(options, logger, "The service has no method {0}.");
        _unknownService = new UnimplementedMethod(options, logger, "No service here has the method {0}.");
    }

    public Task InvokeAsync(HttpContext http)
    {
        if (http.Request.ContentType?.StartsWith(GrpcNames.ContentType, StringComparison.OrdinalIgnoreCase) != true)
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return Task.CompletedTask;
        }
        if (http.Request.Method != HttpMethods.Post)
        {
            http.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return Task.CompletedTask;
        }
        string path = http.Request.Path.Value ?? "";
        if (_methods.TryGetValue(path, out var method)) return method.InvokeAsync(http);
        int slash = path.LastIndexOf('/');
        return (slash > 1 && _services.Contains(path[1..slash]) ? _unknownMethod : _unknownService).InvokeAsync(http);
    }

    private sealed class Binder(RpcServerOptions options, ILogger logger) : ServiceBinderBase
    {
        public Dictionary<string, ServerMethod> Methods { get; } = new(StringComparer.Ordinal);
        public HashSet<string> Services { get; } = new(StringComparer.Ordinal);

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler) =>
            Add(method, new UnaryMethod<TRequest, TResponse>(options, logger, method, Bound(method, handler)));

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler) =>
            Add(method, new ClientStreamingMethod<TRequest, TResponse>(options, logger, method, Bound(method, handler)));

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler) =>
            Add(method, new ServerStreamingMethod<TRequest, TResponse>(options, logger, method, Bound(method, handler)));

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler) =>
            Add(method, new DuplexStreamingMethod<TRequest, TResponse>(options, logger, method, Bound(method, handler)));

        private void Add(IMethod method, ServerMethod bound)
        {
            Services.Add(method.ServiceName);
            if (!Methods.TryAdd(method.FullName, bound))
                throw new ArgumentException($"Two services implement {method.FullName}; a server takes each service once.");
        }

        private static THandler Bound<THandler>(IMethod method, THandler? handler) where THandler : Delegate =>
            handler ?? throw new ArgumentException($"{method.FullName} has no implementation; bind an instance of the service.");
    }
}
