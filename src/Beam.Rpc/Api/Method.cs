namespace Grpc.Core;

internal enum MethodType { Unary, ClientStreaming, ServerStreaming, DuplexStreaming }

/// <summary>A method's name and kind, without its message types.</summary>
internal interface IMethod
{
    MethodType Type { get; }
    string ServiceName { get; }
    string Name { get; }
    string FullName { get; }
}

/// <summary>A method of a service: name, kind and how its messages become bytes. Generated code makes one for each rpc.</summary>
internal sealed class Method<TRequest, TResponse>(
    MethodType type, string serviceName, string name, Marshaller<TRequest> requestMarshaller, Marshaller<TResponse> responseMarshaller) : IMethod
{
    public MethodType Type { get; } = type;
    public string ServiceName { get; } = serviceName;
    public string Name { get; } = name;

    /// <summary>The HTTP path: <c>/package.Service/Method</c>.</summary>
    public string FullName { get; } = $"/{serviceName}/{name}";

    public Marshaller<TRequest> RequestMarshaller { get; } = requestMarshaller;
    public Marshaller<TResponse> ResponseMarshaller { get; } = responseMarshaller;
}
