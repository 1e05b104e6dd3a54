using Beam.Model.FnExecution;
using Grpc.Core;

namespace Beam.FnApi;

/// <summary>The Fn API of a runner as gRPC services. The server in front of them has checked the job's token.</summary>
internal static class FnApiGrpcServices
{
    /// <summary>Control, data, state and logging, all served by <paramref name="service"/>.</summary>
    public static IReadOnlyList<ServerServiceDefinition> Bind(IFnApiService service) =>
    [
        BeamFnControl.BindService(new ControlService(service)),
        BeamFnData.BindService(new DataService(service)),
        BeamFnState.BindService(new StateService(service)),
        BeamFnLogging.BindService(new LoggingService(service)),
    ];

    private static string WorkerId(ServerCallContext context) =>
        context.RequestHeaders.GetValue("worker_id") is { Length: > 0 } id
            ? id
            : throw new RpcException(new Status(StatusCode.InvalidArgument, "The call has no worker_id metadata."));

    private static async Task ServeAsync(Func<Task> serve)
    {
        try
        {
            await serve();
        }
        catch (KeyNotFoundException e)
        {
            throw new RpcException(new Status(StatusCode.NotFound, e.Message));
        }
    }

    private sealed class ControlService(IFnApiService service) : BeamFnControl.BeamFnControlBase
    {
        public override async Task Control(
            IAsyncStreamReader<InstructionResponse> requestStream, IServerStreamWriter<InstructionRequest> responseStream, ServerCallContext context) =>
            await ServeAsync(() => service.ControlAsync(WorkerId(context), MessageStream.FromServer(requestStream, responseStream), context.CancellationToken));

        public override async Task<ProcessBundleDescriptor> GetProcessBundleDescriptor(GetProcessBundleDescriptorRequest request, ServerCallContext context)
        {
            ProcessBundleDescriptor? descriptor = null;
            await ServeAsync(() =>
            {
                descriptor = service.GetProcessBundleDescriptor(WorkerId(context), request.ProcessBundleDescriptorId);
                return Task.CompletedTask;
            });
            return descriptor!;
        }
    }

    private sealed class DataService(IFnApiService service) : BeamFnData.BeamFnDataBase
    {
        public override Task Data(IAsyncStreamReader<Elements> requestStream, IServerStreamWriter<Elements> responseStream, ServerCallContext context) =>
            ServeAsync(() => service.DataAsync(WorkerId(context), MessageStream.FromServer(requestStream, responseStream), context.CancellationToken));
    }

    private sealed class StateService(IFnApiService service) : BeamFnState.BeamFnStateBase
    {
        public override Task State(IAsyncStreamReader<StateRequest> requestStream, IServerStreamWriter<StateResponse> responseStream, ServerCallContext context) =>
            ServeAsync(() => service.StateAsync(WorkerId(context), MessageStream.FromServer(requestStream, responseStream), context.CancellationToken));
    }

    private sealed class LoggingService(IFnApiService service) : BeamFnLogging.BeamFnLoggingBase
    {
        public override Task Logging(IAsyncStreamReader<LogEntry.Types.List> requestStream, IServerStreamWriter<LogControl> responseStream, ServerCallContext context) =>
            ServeAsync(() => service.LoggingAsync(WorkerId(context), MessageStream.FromServer(requestStream, responseStream), context.CancellationToken));
    }
}
