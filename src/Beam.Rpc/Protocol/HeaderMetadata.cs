using System.Net.Http.Headers;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Beam.Rpc.Protocol;

/// <summary>Metadata out of received headers, and into those that the server sends. Several <c>-bin</c> values may share a header, separated by commas.</summary>
internal static class HeaderMetadata
{
    public static Metadata FromHeaders(HttpHeaders headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers.NonValidated)
        {
            if (GrpcNames.IsReserved(name)) continue;
            foreach (string value in values) Add(metadata, name, value);
        }
        return metadata;
    }

    public static Metadata FromHeaders(IHeaderDictionary headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers)
        {
            if (GrpcNames.IsReserved(name)) continue;
            foreach (string? value in values) Add(metadata, name, value ?? "");
        }
        return metadata;
    }

    public static void AddTo(IHeaderDictionary headers, Metadata metadata)
    {
        foreach (var entry in metadata)
        {
            // Not Append, which drops empty values.
            if (!GrpcNames.IsReserved(entry.Key)) headers[entry.Key] = StringValues.Concat(headers[entry.Key], MetadataCodec.Encode(entry));
        }
    }

    private static void Add(Metadata metadata, string name, string value)
    {
        string key = name.ToLowerInvariant();
        if (!key.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.Ordinal))
        {
            metadata.Add(Metadata.Entry.Received(key, value, null));
            return;
        }
        foreach (string part in value.Split(',', StringSplitOptions.TrimEntries))
        {
            metadata.Add(Metadata.Entry.Received(key, null, DecodeBase64(key, part)));
        }
    }

    private static byte[] DecodeBase64(string key, string text)
    {
        string padded = text.TrimEnd('=');
        padded = padded.PadRight((padded.Length + 3) / 4 * 4, '=');
        var bytes = new byte[padded.Length / 4 * 3];
        return Convert.TryFromBase64String(padded, bytes, out int written)
            ? bytes[..written]
            : throw new RpcException(new Status(StatusCode.Internal, $"Metadata '{key}' is not valid base64."));
    }
}
