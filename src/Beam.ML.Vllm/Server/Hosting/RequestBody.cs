using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>A request's JSON object, in memory of the pool's until disposed of.</summary>
internal sealed class RequestBody : IDisposable
{
    private const int MaxDepth = 64;
    private const int FirstSize = 4096;

    private readonly JsonDocument _document;
    private readonly byte[] _buffer;

    private RequestBody(JsonDocument document, byte[] buffer) => (_document, _buffer) = (document, buffer);

    public JsonElement Json => _document.RootElement;

    /// <summary>Reads a body; its size is bounded by the server's limit, its nesting by one of this class.</summary>
    /// <exception cref="ApiException">The body is not a JSON object.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        // A page of another origin can post anything but JSON without being asked whether it may.
        if (!request.HasJsonContentType())
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "UnsupportedMediaTypeError", "The body must be JSON; say so with 'Content-Type: application/json'.");
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(request.ContentLength ?? FirstSize, FirstSize, 1 << 20));
        try
        {
            var length = 0;
            while (true)
            {
                var read = await request.Body.ReadAsync(buffer.AsMemory(length), cancellationToken);
                if (read == 0) break;
                length += read;
                if (length == buffer.Length) buffer = Grow(buffer, length);
            }

            return new RequestBody(Parse(buffer.AsMemory(0, length)), buffer);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    public void Dispose()
    {
        _document.Dispose();
        ArrayPool<byte>.Shared.Return(_buffer);
    }

    private static byte[] Grow(byte[] buffer, int length)
    {
        var larger = ArrayPool<byte>.Shared.Rent(2 * length);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> text)
    {
        if (!Utf8.IsValid(text.Span)) throw ApiException.Invalid("The body is not valid UTF-8.");
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException e)
        {
            throw ApiException.Invalid($"The body is not valid JSON: {e.Message}", cause: e);
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw ApiException.Invalid("The body must be a JSON object.");
    }
}
