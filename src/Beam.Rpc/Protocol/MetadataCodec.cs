using System.Net.Http.Headers;
using Grpc.Core;

namespace Beam.Rpc.Protocol;

/// <summary>Metadata as HTTP headers; <c>-bin</c> values are base64 without padding.</summary>
internal static class MetadataCodec
{
    public static string Encode(Metadata.Entry entry) =>
        entry.IsBinary ? Convert.ToBase64String(entry.ValueBytes).TrimEnd('=') : entry.Value;

    public static void AddTo(HttpRequestHeaders headers, Metadata metadata)
    {
        foreach (var entry in metadata)
        {
            if (!GrpcNames.IsReserved(entry.Key)) headers.TryAddWithoutValidation(entry.Key, Encode(entry));
        }
    }
}
