namespace Beam.Rpc.Protocol;

/// <summary>Header names and values of gRPC over HTTP/2.</summary>
internal static class GrpcNames
{
    public const string ContentType = "application/grpc";
    public const string Status = "grpc-status";
    public const string Message = "grpc-message";
    public const string Timeout = "grpc-timeout";
    public const string Encoding = "grpc-encoding";
    public const string AcceptEncoding = "grpc-accept-encoding";
    public const string Identity = "identity";
    public const string Gzip = "gzip";
    public const string Accepted = "identity,gzip";
    public const string UserAgent = "grpc-dotnet-beam/0.1";

    /// <summary>True for the names that belong to the protocol and are therefore never call metadata.</summary>
    public static bool IsReserved(string name) =>
        name.Length == 0 || name[0] == ':' || name.ToLowerInvariant() is
            Status or Message or Timeout or Encoding or AcceptEncoding or "content-type" or "te" or "host" or "date" or "server"
            or "connection" or "transfer-encoding" or "content-length";
}
