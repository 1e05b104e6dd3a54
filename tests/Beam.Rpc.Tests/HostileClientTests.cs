using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using Beam.Rpc.Tests.Protos;
using Google.Protobuf;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>Requests that no gRPC client would send: each gets a status, and the server serves on.</summary>
internal sealed class HostileClientTests
{
    private static readonly byte[] Hello = Frame(0, new Ask { Text = "hello" }.ToByteArray());

    private OwnServer _peer = null!;
    private HttpMessageInvoker _http = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _peer = await OwnServer.StartAsync();
        _http = new HttpMessageInvoker(new SocketsHttpHandler());
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _http.Dispose();
        await _peer.DisposeAsync();
    }

    [TearDown]
    public async Task The_server_serves_on() => Assert.That((await _peer.Client.UnaryAsync(new Ask { Text = "up" })).Text, Is.EqualTo("up"));

    private static IEnumerable<TestCaseData> Bodies()
    {
        yield return Case("a length of 4 GiB", StatusCode.ResourceExhausted, [0, 255, 255, 255, 255, 1, 2, 3]);
        yield return Case("a length of 2 GiB", StatusCode.ResourceExhausted, [0, 128, 0, 0, 0]);
        yield return Case("a length over the limit", StatusCode.ResourceExhausted, [0, 0, 64, 0, 1]);
        yield return Case("a frame cut short", StatusCode.Internal, Hello[..^1]);
        yield return Case("a header cut short", StatusCode.Internal, [0, 0, 0]);
        yield return Case("no message", StatusCode.Internal, []);
        yield return Case("two messages", StatusCode.Internal, [.. Hello, .. Hello]);
        yield return Case("an unknown flag", StatusCode.Internal, [7, .. Hello[1..]]);
        yield return Case("a compressed flag without an encoding", StatusCode.Internal, [1, .. Hello[1..]]);
        yield return Case("bytes that are no message", StatusCode.Internal, Frame(0, [0x0A, 0xFF, 0xFF]));
        yield return Case("groups nested without end", StatusCode.Internal, Frame(0, Enumerable.Repeat((byte)0x0B, 100_000).ToArray()));
        yield return Case("garbage as gzip", StatusCode.Internal, Frame(1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]), ("grpc-encoding", "gzip"));
        yield return Case("a gzip bomb", StatusCode.ResourceExhausted, Frame(1, Gzip(new byte[256 << 20])), ("grpc-encoding", "gzip"));
        yield return Case("an unknown encoding", StatusCode.Unimplemented, Frame(1, [1, 2, 3]), ("grpc-encoding", "snappy"));
        yield return Case("a timeout that is none", StatusCode.Internal, Hello, ("grpc-timeout", "soon"));
        yield return Case("a timeout of nine digits", StatusCode.Internal, Hello, ("grpc-timeout", "123456789S"));
        yield return Case("metadata that is not base64", StatusCode.Internal, Hello, ("x-a-bin", "*"));

        static TestCaseData Case(string name, StatusCode expected, byte[] body, params (string Name, string Value)[] headers) =>
            new TestCaseData(body, headers, expected).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Bodies))]
    public async Task It_is_answered_with_a_status(byte[] body, (string Name, string Value)[] headers, StatusCode expected)
    {
        using var response = await PostAsync("Interop/Unary", body, headers);
        await response.Content.CopyToAsync(Stream.Null);
        Assert.That(StatusOf(response), Is.EqualTo(expected));
    }

    [TestCase("Interop/Nothing")]
    [TestCase("Nothing/Unary")]
    public async Task A_path_nobody_serves_is_unimplemented(string path)
    {
        using var response = await PostAsync(path, Hello);
        Assert.That(StatusOf(response), Is.EqualTo(StatusCode.Unimplemented));
    }

    [Test]
    public async Task A_request_that_is_not_grpc_is_refused_by_http()
    {
        using var json = Request("Interop/Unary", Hello);
        json.Content!.Headers.ContentType = new("application/json");
        using var refused = await _http.SendAsync(json, default);
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
        using var put = Request("Interop/Unary", Hello);
        put.Method = HttpMethod.Put;
        using var notAllowed = await _http.SendAsync(put, default);
        Assert.That(notAllowed.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed));
    }

    [Test]
    public async Task Only_a_client_that_compresses_and_accepts_gzip_gets_it([Values] bool compresses, [Values] bool accepts)
    {
        byte[] ask = new Ask { ReplySize = 100_000 }.ToByteArray();
        var headers = new List<(string, string)> { ("grpc-accept-encoding", accepts ? "identity, gzip" : "identity") };
        if (compresses) headers.Add(("grpc-encoding", "gzip"));
        using var response = await PostAsync("Interop/Unary", compresses ? Frame(1, Gzip(ask)) : Frame(0, ask), [.. headers]);
        byte[] body = await response.Content.ReadAsByteArrayAsync();
        Assert.That(StatusOf(response), Is.EqualTo(StatusCode.OK));
        Assert.That(body[0], Is.EqualTo(compresses && accepts ? 1 : 0));
        Assert.That(body.Length < 10_000, Is.EqualTo(compresses && accepts));
    }

    [Test]
    public async Task Bytes_that_are_not_http_only_close_their_connection()
    {
        var target = _peer.Server.Target.Split(':');
        using var client = new TcpClient();
        await client.ConnectAsync(target[0], int.Parse(target[1], CultureInfo.InvariantCulture));
        var stream = client.GetStream();
        await stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        await stream.WriteAsync(Enumerable.Repeat((byte)0xFF, 5000).ToArray());
        try
        {
            while (await stream.ReadAsync(new byte[4096]) > 0) { }
        }
        catch (IOException)
        {
            // Reset instead of closed: just as well.
        }
    }

    private static StatusCode StatusOf(HttpResponseMessage response)
    {
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        var source = response.Headers.Contains("grpc-status") ? response.Headers : response.TrailingHeaders;
        return (StatusCode)int.Parse(source.GetValues("grpc-status").Single(), CultureInfo.InvariantCulture);
    }

    private Task<HttpResponseMessage> PostAsync(string path, byte[] body, params (string Name, string Value)[] headers)
    {
        var request = Request(path, body);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return _http.SendAsync(request, default);
    }

    private HttpRequestMessage Request(string path, byte[] body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"http://{_peer.Server.Target}/beam.rpc.tests.{path}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new("application/grpc+proto");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        return request;
    }

    internal static byte[] Frame(byte flag, byte[] payload) =>
        [flag, (byte)(payload.Length >> 24), (byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, .. payload];

    internal static byte[] Gzip(byte[] bytes)
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest)) gzip.Write(bytes);
        return output.ToArray();
    }
}
