using Beam.Model.FnExecution;
using Beam.Model.Pipeline;
using Beam.Rpc;
using Grpc.Core;

namespace Beam.FnApi;

/// <summary>Connects a harness to a runner over gRPC. Every call says who calls (<c>worker_id</c>) and proves it with the job's token.</summary>
internal sealed class GrpcFnApiConnector : IFnApiConnector
{
    private readonly string _controlEndpoint;
    private readonly Metadata _headers;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, RpcChannel> _channels = [];

    /// <param name="controlEndpoint">The target of control and logging, such as <c>unix:/path</c> or <c>127.0.0.1:41234</c>.</param>
    /// <param name="workerId">The name that the runner gave to this worker.</param>
    /// <param name="token">The job's token; null if the runner asks for none.</param>
    public GrpcFnApiConnector(string controlEndpoint, string workerId, string? token)
    {
        _controlEndpoint = controlEndpoint;
        _headers = new Metadata { { "worker_id", workerId } };
        if (token is not null) _headers.Add("authorization", $"Bearer {token}");
    }

    public ValueTask<IMessageStream<InstructionRequest, InstructionResponse>> ConnectControlAsync(CancellationToken cancellationToken) =>
        new(MessageStream.FromCall(new BeamFnControl.BeamFnControlClient(Channel(_controlEndpoint)).Control(_headers)));

    public ValueTask<IMessageStream<Elements, Elements>> ConnectDataAsync(ApiServiceDescriptor endpoint, CancellationToken cancellationToken) =>
        new(MessageStream.FromCall(new BeamFnData.BeamFnDataClient(Channel(endpoint.Url)).Data(_headers)));

    public ValueTask<IMessageStream<StateResponse, StateRequest>> ConnectStateAsync(ApiServiceDescriptor endpoint, CancellationToken cancellationToken) =>
        new(MessageStream.FromCall(new BeamFnState.BeamFnStateClient(Channel(endpoint.Url)).State(_headers)));

    public ValueTask<IMessageStream<LogControl, LogEntry.Types.List>> ConnectLoggingAsync(CancellationToken cancellationToken) =>
        new(MessageStream.FromCall(new BeamFnLogging.BeamFnLoggingClient(Channel(_controlEndpoint)).Logging(_headers)));

    public async ValueTask<ProcessBundleDescriptor> GetProcessBundleDescriptorAsync(string id, CancellationToken cancellationToken) =>
        await new BeamFnControl.BeamFnControlClient(Channel(_controlEndpoint)).GetProcessBundleDescriptorAsync(
            new GetProcessBundleDescriptorRequest { ProcessBundleDescriptorId = id }, _headers, cancellationToken: cancellationToken);

    public ValueTask DisposeAsync()
    {
        RpcChannel[] channels;
        lock (_lock)
        {
            channels = [.. _channels.Values];
            _channels.Clear();
        }

        foreach (var channel in channels) channel.Dispose();
        return ValueTask.CompletedTask;
    }

    private RpcChannel Channel(string target)
    {
        lock (_lock)
        {
            if (!_channels.TryGetValue(target, out var channel)) _channels.Add(target, channel = RpcChannel.Connect(target, RpcChannelOptions.Unlimited));
            return channel;
        }
    }
}
