using Beam.Rpc.Tests.Protos;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Beam.Rpc.Tests;

/// <summary>Responses that no gRPC server would send, and some unusual ones that one may: our client ends each call with a fitting status.</summary>
internal sealed class HostileServerTests
{
    private static readonly byte[] Hello = HostileClientTests.Frame(0, new Reply { Text = "hello" }.ToByteArray());

    private static IEnumerable<TestCaseData> Responses()
    {
        yield return Case("a length of 4 GiB", StatusCode.ResourceExhausted, h => BodyAsync(h, [0, 255, 255, 255, 255, 1]));
        yield return Case("a length over the limit", StatusCode.ResourceExhausted, h => BodyAsync(h, [0, 0, 64, 0, 1]));
        yield return Case("a frame cut short", StatusCode.Internal, h => BodyAsync(h, Hello[..^1]));
        yield return Case("an unknown flag", StatusCode.Internal, h => BodyAsync(h, [2, .. Hello[1..]]));
        yield return Case("no message with OK", StatusCode.Internal, h => BodyAsync(h, []));
        yield return Case("two messages", StatusCode.Internal, h => BodyAsync(h, [.. Hello, .. Hello]));
        yield return Case("bytes that are no message", StatusCode.Internal, h => BodyAsync(h, HostileClientTests.Frame(0, [0x0A, 0xFF])));
        yield return Case("garbage as gzip", StatusCode.Internal, h => BodyAsync(h, HostileClientTests.Frame(1, new byte[40]), encoding: "gzip"));
        yield return Case("a gzip bomb", StatusCode.ResourceExhausted, h => BodyAsync(h, HostileClientTests.Frame(1, HostileClientTests.Gzip(new byte[64 << 20])), encoding: "gzip"));
        yield return Case("an unknown encoding", StatusCode.Unimplemented, h => BodyAsync(h, HostileClientTests.Frame(1, new byte[4]), encoding: "snappy"));
        yield return Case("no status", StatusCode.Unknown, h => BodyAsync(h, Hello, status: null));
        yield return Case("an unknown status", StatusCode.Unknown, h => BodyAsync(h, Hello, status: "99"));
        yield return Case("a status that is no number", StatusCode.Unknown, h => BodyAsync(h, Hello, status: "fine"));
        yield return Case("a bad message escape", StatusCode.Aborted, h => TrailersOnlyAsync(h, "10", "%zz%4"));
        yield return Case("trailers only", StatusCode.NotFound, h => TrailersOnlyAsync(h, "5", "gone"));
        yield return Case("OK without anything", StatusCode.Internal, h => TrailersOnlyAsync(h, "0", ""));
        yield return Case("metadata that is not base64", StatusCode.Internal, h =>
        {
            h.Response.AppendTrailer("x-bin", "*");
            return BodyAsync(h, Hello);
        });
        yield return Case("HTTP 401", StatusCode.Unauthenticated, h => HttpStatusAsync(h, 401));
        yield return Case("HTTP 404", StatusCode.Unimplemented, h => HttpStatusAsync(h, 404));
        yield return Case("HTTP 503", StatusCode.Unavailable, h => HttpStatusAsync(h, 503));
        yield return Case("HTTP 500", StatusCode.Unknown, h => HttpStatusAsync(h, 500));
        yield return Case("a web page", StatusCode.Unknown, h =>
        {
            h.Response.ContentType = "text/html";
            return h.Response.WriteAsync("<html>");
        });
        yield return Case("RST_STREAM REFUSED_STREAM", StatusCode.Unavailable, h => ResetAsync(h, 7));
        yield return Case("RST_STREAM CANCEL", StatusCode.Cancelled, h => ResetAsync(h, 8));
        yield return Case("RST_STREAM ENHANCE_YOUR_CALM", StatusCode.ResourceExhausted, h => ResetAsync(h, 11));
        yield return Case("RST_STREAM INTERNAL_ERROR", StatusCode.Internal, h => ResetAsync(h, 2));
        yield return Case("a connection that breaks", StatusCode.Unavailable, async h =>
        {
            h.Response.ContentType = "application/grpc";
            await h.Response.Body.WriteAsync(Hello.AsMemory(0, 7));
            await h.Response.Body.FlushAsync();
            h.Features.GetRequiredFeature<Microsoft.AspNetCore.Connections.Features.IConnectionLifetimeFeature>().Abort();
        });

        static TestCaseData Case(string name, StatusCode expected, RequestDelegate respond) =>
            new TestCaseData(respond, expected).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Responses))]
    public async Task It_ends_the_call_with_a_status(RequestDelegate respond, StatusCode expected)
    {
        await using var server = await StartAsync(respond);
        await using var channel = RpcChannel.Connect(server.Target);
        var e = await Failure.OfAsync(() => new Interop.InteropClient(channel).UnaryAsync(new Ask()).ResponseAsync.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.That(e.StatusCode, Is.EqualTo(expected), e.ToString());
    }

    [Test]
    public async Task A_compressed_reply_is_read_though_the_request_was_not_compressed()
    {
        byte[] frame = HostileClientTests.Frame(1, HostileClientTests.Gzip(new Reply { Text = "squeezed" }.ToByteArray()));
        await using var server = await StartAsync(h => BodyAsync(h, frame, encoding: "gzip"));
        await using var channel = RpcChannel.Connect(server.Target);
        Assert.That((await new Interop.InteropClient(channel).UnaryAsync(new Ask())).Text, Is.EqualTo("squeezed"));
    }

    [Test]
    public async Task A_frame_that_arrives_byte_by_byte_is_read()
    {
        await using var server = await StartAsync(async h =>
        {
            h.Response.ContentType = "application/grpc";
            foreach (byte b in Hello)
            {
                await h.Response.Body.WriteAsync(new[] { b });
                await h.Response.Body.FlushAsync();
            }
            h.Response.AppendTrailer("grpc-status", "0");
        });
        await using var channel = RpcChannel.Connect(server.Target);
        Assert.That((await new Interop.InteropClient(channel).UnaryAsync(new Ask())).Text, Is.EqualTo("hello"));
    }

    private static async Task BodyAsync(HttpContext http, byte[] body, string? status = "0", string? encoding = null)
    {
        http.Response.ContentType = "application/grpc";
        if (encoding is not null) http.Response.Headers["grpc-encoding"] = encoding;
        await http.Response.Body.WriteAsync(body);
        await http.Response.Body.FlushAsync();
        if (status is not null) http.Response.AppendTrailer("grpc-status", status);
    }

    private static Task TrailersOnlyAsync(HttpContext http, string status, string message)
    {
        http.Response.ContentType = "application/grpc";
        http.Response.Headers["grpc-status"] = status;
        http.Response.Headers["grpc-message"] = message;
        return Task.CompletedTask;
    }

    private static Task HttpStatusAsync(HttpContext http, int code)
    {
        http.Response.StatusCode = code;
        return Task.CompletedTask;
    }

    private static Task ResetAsync(HttpContext http, int code)
    {
        http.Features.GetRequiredFeature<IHttpResetFeature>().Reset(code);
        return Task.CompletedTask;
    }

    private static async Task<RawServer> StartAsync(RequestDelegate respond)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(System.Net.IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http2));
        var app = builder.Build();
        app.Run(async http =>
        {
            await http.Request.Body.CopyToAsync(Stream.Null);
            await respond(http);
        });
        await app.StartAsync();
        return new RawServer(app);
    }

    private sealed class RawServer(WebApplication app) : IAsyncDisposable
    {
        public string Target { get; } = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

        public async ValueTask DisposeAsync()
        {
            await app.StopAsync();
            await app.DisposeAsync();
        }
    }
}
