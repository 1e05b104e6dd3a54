using System.Buffers;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>The bytes of a request's body, in memory of the pool's and out of the server's budget until disposed of.</summary>
internal sealed class RequestBody : IDisposable
{
    private const int FirstSize = 4096;

    private readonly BodyBudget.Share _share;
    private readonly byte[] _buffer;
    private readonly int _length;

    private RequestBody(BodyBudget.Share share, byte[] buffer, int length) => (_share, _buffer, _length) = (share, buffer, length);

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <summary>Reads a body, whose size is bounded by the server's limit. What it says to have is taken from the budget before it is read.</summary>
    /// <exception cref="ApiException">The body is not said to be JSON, or there is no room for it now.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request, BodyBudget budget, CancellationToken cancellationToken)
    {
        // A page of another origin can post anything but JSON without being asked whether it may.
        if (!request.HasJsonContentType())
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "UnsupportedMediaTypeError", "The body must be JSON; say so with 'Content-Type: application/json'.");

        // A byte more than there will be: the end is found without growing for it. A body that is too long is refused when it is read.
        var size = (int)Math.Clamp((request.ContentLength ?? 0) + 1, FirstSize, budget.Longest + 1L);
        var share = budget.Take(size);
        var buffer = ArrayPool<byte>.Shared.Rent(size);
        try
        {
            var length = 0;
            while (true)
            {
                var read = await request.Body.ReadAsync(buffer.AsMemory(length, size - length), cancellationToken);
                if (read == 0) return new RequestBody(share, buffer, length);
                length += read;
                if (length == size) (buffer, size) = Grow(share, buffer, length);
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            share.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _share.Dispose();
    }

    private static (byte[] Buffer, int Size) Grow(BodyBudget.Share share, byte[] buffer, int length)
    {
        share.Resize(3L * length);
        var larger = ArrayPool<byte>.Shared.Rent(2 * length);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        share.Resize(2L * length);
        return (larger, 2 * length);
    }
}
