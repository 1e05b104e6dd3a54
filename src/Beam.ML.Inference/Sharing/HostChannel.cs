using System.Globalization;
using Beam.ML.Inference.Protocol;
using Beam.Rpc;
using Grpc.Core;

namespace Beam.ML.Inference.Sharing;

/// <summary>The way to one host: its socket, and the token and generation that every call carries.</summary>
internal sealed class HostChannel : IAsyncDisposable
{
    /// <summary>The metadata key of the generation.</summary>
    public const string GenerationKey = "beam-model-generation";

    private readonly RpcChannel channel;

    private HostChannel(HostRecord record)
    {
        Record = record;
        var headers = new Metadata
        {
            { "authorization", "Bearer " + record.Token },
            { GenerationKey, record.Generation.ToString(CultureInfo.InvariantCulture) },
        };
        // Heartbeats do what HTTP/2 pings would.
        channel = RpcChannel.Connect("unix:" + record.Socket, RpcChannelOptions.Unlimited with { DefaultHeaders = headers, KeepAlivePingDelay = null });
        Client = new ModelService.ModelServiceClient(channel);
    }

    public HostRecord Record { get; }

    public ModelService.ModelServiceClient Client { get; }

    public static HostChannel To(HostRecord record) => new(record);

    /// <summary>Asks for signs of life until one is missing.</summary>
    /// <exception cref="HostLostException">The host did not answer in time, or its socket is closed.</exception>
    public async Task HeartbeatAsync(ModelSharing sharing, Action<HeartbeatResponse>? onBeat, CancellationToken cancellationToken)
    {
        while (true)
        {
            var beat = await BeatAsync(sharing.HeartbeatTimeout, cancellationToken);
            onBeat?.Invoke(beat);
            await Task.Delay(sharing.HeartbeatInterval, cancellationToken);
        }
    }

    /// <summary>Asks for one sign of life.</summary>
    /// <exception cref="HostLostException">The host did not answer in time, or its socket is closed.</exception>
    public Task<HeartbeatResponse> BeatAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        CallAsync(async token => await Client.HeartbeatAsync(new HeartbeatRequest(), cancellationToken: token), timeout, cancellationToken);

    /// <summary>Asks how loading goes.</summary>
    /// <exception cref="HostLostException">The host did not answer in time, or its socket is closed.</exception>
    public Task<GetStatusResponse> GetStatusAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        CallAsync(async token => await Client.GetStatusAsync(new GetStatusRequest(), cancellationToken: token), timeout, cancellationToken);

    public ValueTask DisposeAsync() => channel.DisposeAsync();

    private async Task<T> CallAsync<T>(Func<CancellationToken, Task<T>> call, TimeSpan timeout, CancellationToken cancellationToken)
    {
        T? answer = default;
        try
        {
            if (await Patience.TryAsync(async token => answer = await call(token), timeout, cancellationToken)) return answer!;
            throw new HostLostException($"The model {Record} gave no sign of life for {timeout.TotalSeconds:0.#} s.");
        }
        catch (RpcException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw Lost(e);
        }
    }

    /// <summary>What a failed call says of the host.</summary>
    public HostLostException Lost(RpcException e) => new(e.StatusCode switch
    {
        StatusCode.Unauthenticated or StatusCode.FailedPrecondition => $"The model {Record} refused this worker: {e.Status.Detail}",
        _ => $"The model {Record} is gone: {e.Status.Detail}",
    }, e);
}
