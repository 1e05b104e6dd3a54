using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Beam.Rpc.Protocol;
using Grpc.Core;

namespace Beam.Rpc.Client;

/// <summary>What an HTTP/2 response, its trailers or the failure to get one says of a call.</summary>
internal static class ResponseStatus
{
    /// <summary>The status of a response that ends with its headers or is not gRPC; null when messages and trailers follow.</summary>
    public static Status? OfHeaders(HttpResponseMessage response)
    {
        if (Find(response.Headers, GrpcNames.Status) is not null) return OfTrailers(response.Headers);
        if (response.StatusCode != HttpStatusCode.OK)
            return new Status(OfHttp(response.StatusCode), $"The server answered with HTTP status {(int)response.StatusCode}.");
        string type = response.Content.Headers.ContentType?.MediaType ?? "nothing";
        return type.StartsWith(GrpcNames.ContentType, StringComparison.OrdinalIgnoreCase) ? null
            : new Status(StatusCode.Unknown, $"The server answered with content type '{type}' instead of '{GrpcNames.ContentType}'.");
    }

    public static Status OfTrailers(HttpResponseHeaders trailers)
    {
        if (Find(trailers, GrpcNames.Status) is not { } text) return new Status(StatusCode.Unknown, "The server ended the call without a grpc-status.");
        string detail = PercentEncoding.Decode(Find(trailers, GrpcNames.Message) ?? "");
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int code) && code <= (int)StatusCode.Unauthenticated
            ? new Status((StatusCode)code, detail)
            : new Status(StatusCode.Unknown, $"The server ended the call with the unknown grpc-status '{text}'. {detail}");
    }

    public static string? EncodingOf(HttpResponseMessage response) => Find(response.Headers, GrpcNames.Encoding);

    public static Status OfException(Exception exception, RpcTarget target)
    {
        if (exception is RpcException rpc) return rpc.Status;
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is HttpProtocolException protocol)
                return new Status(OfHttp2((int)protocol.ErrorCode), $"{target} ended the stream with HTTP/2 error {protocol.ErrorCode}: {e.Message}", exception);
        }
        return exception switch
        {
            HttpRequestException or IOException => new Status(StatusCode.Unavailable, $"No connection to {target}: {exception.Message}", exception),
            OperationCanceledException { InnerException: TimeoutException } =>
                new Status(StatusCode.Unavailable, $"No connection to {target}: the attempt timed out.", exception),
            OperationCanceledException => new Status(StatusCode.Cancelled, "The call was cancelled.", exception),
            ObjectDisposedException => new Status(StatusCode.Cancelled, $"The channel to {target} was disposed.", exception),
            _ => new Status(StatusCode.Internal, $"{exception.GetType().Name}: {exception.Message}", exception),
        };
    }

    private static string? Find(HttpHeaders headers, string name)
    {
        if (!headers.NonValidated.TryGetValues(name, out var values)) return null;
        foreach (string value in values) return value;
        return null;
    }

    private static StatusCode OfHttp(HttpStatusCode code) => (int)code switch
    {
        400 => StatusCode.Internal,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.Unimplemented,
        429 or 502 or 503 or 504 => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    // RFC 9113, section 7. NO_ERROR comes with the GOAWAY of a server that stops; PROTOCOL_ERROR is what the handler calls a
    // connection whose pings nobody answers: the connection failed, not the call.
    private static StatusCode OfHttp2(int code) => code switch
    {
        0x0 or 0x1 or 0x7 => StatusCode.Unavailable,
        0x8 => StatusCode.Cancelled,
        0xb => StatusCode.ResourceExhausted,
        0xc => StatusCode.PermissionDenied,
        _ => StatusCode.Internal,
    };
}
