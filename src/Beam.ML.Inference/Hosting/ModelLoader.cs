using System.Diagnostics;
using Beam.ML.Inference.Protocol;

namespace Beam.ML.Inference.Hosting;

/// <summary>Loads a host's model while the host already answers, and tells how that goes.</summary>
/// <param name="readHandler">Reads the handler.</param>
/// <param name="context">Where the model is loaded.</param>
/// <param name="isFirst">Whether no host of this copy was there before.</param>
internal sealed class ModelLoader(Func<HostedHandler> readHandler, ModelLoadContext context, bool isFirst) : IAsyncDisposable
{
    private readonly CancellationTokenSource end = new();
    private volatile GetStatusResponse status = new() { State = GetStatusResponse.Types.State.Loading };
    private volatile HostedModel? model;
    private Task loading = Task.CompletedTask;

    /// <summary>How loading goes.</summary>
    public GetStatusResponse Status => status.Clone();

    /// <summary>The model; null until it is loaded.</summary>
    public HostedModel? Model => model;

    public void Start() => loading = Task.Run(LoadAsync);

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await loading;
        if (model is { } loaded) await loaded.DisposeAsync();
        end.Dispose();
    }

    private async Task LoadAsync()
    {
        var started = Stopwatch.GetTimestamp();
        var before = Environment.WorkingSet;
        try
        {
            model = await readHandler().LoadAsync(context, end.Token);
            status = new GetStatusResponse
            {
                State = GetStatusResponse.Types.State.Ready,
                LoadMillis = (long)Stopwatch.GetElapsedTime(started).TotalMilliseconds,
                ModelBytes = Math.Max(0, Environment.WorkingSet - before),
            };
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            status = new GetStatusResponse { State = GetStatusResponse.Types.State.Failed, Error = Errors.ToProto(e, retryable: !IsFinal(e)) };
        }
    }

    // The same files and options give the same error next time; whether the options fit the machine's memory, a host that loaded has shown.
    private bool IsFinal(Exception e) =>
        e is ModelLoadException or InvalidDataException or FileNotFoundException or DirectoryNotFoundException || (e is ArgumentException && isFirst);
}

/// <summary>Exceptions on the wire.</summary>
internal static class Errors
{
    public static Error ToProto(Exception exception, bool retryable) => new()
    {
        Type = exception.GetType().FullName ?? exception.GetType().Name,
        Message = exception.Message,
        Trace = exception.StackTrace ?? "",
        Retryable = retryable,
    };

    public static InferenceException ToException(Error error) => new(error.Type, error.Message, error.Trace);
}
