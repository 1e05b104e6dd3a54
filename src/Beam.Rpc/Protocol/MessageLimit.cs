using Grpc.Core;

namespace Beam.Rpc.Protocol;

internal static class MessageLimit
{
    public static RpcException Exceeded(string what, long? size, int limit) => new(new Status(
        StatusCode.ResourceExhausted,
        size is { } n ? $"{what} of {n} bytes exceeds the limit of {limit} bytes." : $"{what} exceeds the limit of {limit} bytes."));
}
