using Beam.Model.FnExecution;
using Beam.Model.Pipeline;

namespace Beam.FnApi;

/// <summary>What an SDK harness sees of its runner.</summary>
internal interface IFnApiConnector : IAsyncDisposable
{
    /// <summary>Opens the stream of instructions. The harness lives as long as it does.</summary>
    ValueTask<IMessageStream<InstructionRequest, InstructionResponse>> ConnectControlAsync(CancellationToken cancellationToken);

    /// <summary>Opens the stream of elements to the endpoint that a RemoteGrpcPort names.</summary>
    ValueTask<IMessageStream<Elements, Elements>> ConnectDataAsync(ApiServiceDescriptor endpoint, CancellationToken cancellationToken);

    /// <summary>Opens the stream of state requests to the endpoint that a descriptor names.</summary>
    ValueTask<IMessageStream<StateResponse, StateRequest>> ConnectStateAsync(ApiServiceDescriptor endpoint, CancellationToken cancellationToken);

    /// <summary>Opens the stream of log entries.</summary>
    ValueTask<IMessageStream<LogControl, LogEntry.Types.List>> ConnectLoggingAsync(CancellationToken cancellationToken);

    /// <summary>Asks for a descriptor that an instruction named.</summary>
    ValueTask<ProcessBundleDescriptor> GetProcessBundleDescriptorAsync(string id, CancellationToken cancellationToken);
}
