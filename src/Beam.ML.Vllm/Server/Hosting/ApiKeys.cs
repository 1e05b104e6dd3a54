using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>Who may use the server. How long a comparison takes tells nothing of the keys, nor which of them was tried.</summary>
internal sealed class ApiKeys(IReadOnlyList<string> keys)
{
    private static readonly string[] Open = ["/health", "/ping", "/version", "/metrics"];

    private readonly byte[][] _digests = [.. keys.Select(Digest)];

    /// <exception cref="ApiException">The path needs a key, and the request has none that is valid.</exception>
    public void Check(HttpRequest request)
    {
        if (_digests.Length == 0 || Open.Contains(request.Path.Value)) return;
        const string Scheme = "Bearer ";
        var header = request.Headers.Authorization.ToString();
        var given = Digest(header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : "");
        var valid = false;
        foreach (var digest in _digests) valid |= CryptographicOperations.FixedTimeEquals(digest, given);
        if (!valid) throw ApiException.Unauthorized();
    }

    private static byte[] Digest(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
