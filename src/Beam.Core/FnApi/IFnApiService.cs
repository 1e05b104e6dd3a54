using Beam.Model.FnExecution;

namespace Beam.FnApi;

/// <summary>
/// What a runner offers to its harnesses, whatever carries the messages. Each stream's method returns when the stream is over.
/// </summary>
internal interface IFnApiService
{
    /// <summary>Serves the control stream of a worker.</summary>
    Task ControlAsync(string workerId, IMessageStream<InstructionResponse, InstructionRequest> stream, CancellationToken cancellationToken);

    /// <summary>Serves a data stream of a worker.</summary>
    Task DataAsync(string workerId, IMessageStream<Elements, Elements> stream, CancellationToken cancellationToken);

    /// <summary>Serves a state stream of a worker.</summary>
    Task StateAsync(string workerId, IMessageStream<StateRequest, StateResponse> stream, CancellationToken cancellationToken);

    /// <summary>Serves the log stream of a worker.</summary>
    Task LoggingAsync(string workerId, IMessageStream<LogEntry.Types.List, LogControl> stream, CancellationToken cancellationToken);

    /// <summary>The descriptor of this id.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    ProcessBundleDescriptor GetProcessBundleDescriptor(string workerId, string id);
}
