using System.Buffers;
using System.Text.Json;
using Beam.ML.Vllm.Server.Hosting;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>
/// An answer in pieces: server-sent events, each one JSON value, and at last <c>[DONE]</c>. Nothing is sent before the first event, so
/// what goes wrong before it is an error of its own. A flush waits for a client that reads slowly.
/// </summary>
internal sealed class EventStream(HttpResponse response) : IDisposable
{
    private readonly Utf8JsonWriter _json = new(response.BodyWriter, JsonResponse.WriterOptions);
    private readonly SemaphoreSlim _turn = new(1, 1);

    public bool HasStarted { get; private set; }

    /// <summary>Events of several prompts come from several loops, which take turns.</summary>
    public Task EnterAsync(CancellationToken cancellationToken) => _turn.WaitAsync(cancellationToken);

    public void Leave() => _turn.Release();

    /// <summary>Starts an event, whose JSON value is to be written to what is returned.</summary>
    public Utf8JsonWriter Begin()
    {
        if (!HasStarted)
        {
            response.ContentType = "text/event-stream; charset=utf-8";
            response.Headers.CacheControl = "no-cache";
            // A proxy that collects the events would defeat them.
            response.Headers["X-Accel-Buffering"] = "no";
            HasStarted = true;
        }

        response.BodyWriter.Write("data: "u8);
        _json.Reset(response.BodyWriter);
        return _json;
    }

    public void End()
    {
        _json.Flush();
        response.BodyWriter.Write("\n\n"u8);
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        var result = await response.BodyWriter.FlushAsync(cancellationToken);
        if (result.IsCompleted || result.IsCanceled) throw new ClientGoneException();
    }

    /// <summary>An error after the first event, which is one more event.</summary>
    public void Fail(ApiException error)
    {
        ErrorJson.Write(Begin(), error);
        End();
    }

    public ValueTask DoneAsync(CancellationToken cancellationToken)
    {
        response.BodyWriter.Write("data: [DONE]\n\n"u8);
        return FlushAsync(cancellationToken);
    }

    public void Dispose()
    {
        _json.Dispose();
        _turn.Dispose();
    }
}

/// <summary>Nobody reads on: the client has closed the connection, or the server has.</summary>
internal sealed class ClientGoneException() : OperationCanceledException("The client is gone.");
