using Grpc.Core;

namespace Beam.Rpc;

/// <summary>
/// A channel to one server; generated clients take it in their constructor. Connections open with the first call and
/// open again after a failure. Disposing it cancels the calls that still run.
/// </summary>
internal sealed class RpcChannel : ChannelBase, IDisposable, IAsyncDisposable
{
    private readonly CallInvoker _invoker;
    private readonly IDisposable _connections;

    private RpcChannel(RpcTarget target, RpcChannelOptions options) : base(target.ToString()) =>
        (_invoker, _connections) = RpcBinding.CreateInvoker(target, RpcTransport.Create(target, options), options);

    /// <param name="target"><c>host:port</c>, <c>http://host:port</c>, <c>https://host:port</c> or <c>unix:/path</c>.</param>
    /// <param name="options">Null for <see cref="RpcChannelOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">The target is none of these forms.</exception>
    public static RpcChannel Connect(string target, RpcChannelOptions? options = null) =>
        new(RpcTarget.Parse(target), options ?? RpcChannelOptions.Default);

    public override CallInvoker CreateCallInvoker() => _invoker;

    public void Dispose() => _connections.Dispose();

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    protected override Task ShutdownAsyncCore() => DisposeAsync().AsTask();
}
