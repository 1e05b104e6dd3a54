using System.Diagnostics;
using Beam.Rpc.Tests.Protos;
using Google.Protobuf;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>Our client calls grpc-js.</summary>
internal sealed class GrpcJsServerTests : ServerContract
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private Process _server = null!;
    private RpcChannel _channel = null!;

    protected override Interop.InteropClient Client => new(_channel);

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        await GrpcJs.RequireAsync();
        (_server, string target) = await StartServerAsync();
        _channel = RpcChannel.Connect(target, RpcChannelOptions.Unlimited);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_server is null) return;
        await _channel.DisposeAsync();
        _server.StandardInput.Close();
        await _server.WaitForExitAsync();
        _server.Dispose();
    }

    [Test]
    public async Task Metadata_returns_from_it_as_it_was_sent()
    {
        byte[] bytes = [0, 255, 128, 10, 13];
        using var call = Client.UnaryAsync(new Ask(), new Metadata { { "x-text", "plain text" }, { "x-bytes-bin", bytes }, { "x-bytes-bin", "second"u8.ToArray() } });
        var headers = await call.ResponseHeadersAsync;
        await call;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(headers.GetValue("x-text"), Is.EqualTo("plain text"));
            Assert.That(headers.GetAll("x-bytes-bin").Select(e => e.ValueBytes), Is.EqualTo(new[] { bytes, "second"u8.ToArray() }));
            Assert.That(call.GetTrailers().GetValue("x-text-trailer"), Is.EqualTo("plain text"));
            Assert.That(call.GetTrailers().GetValueBytes("x-bytes-trailer-bin"), Is.EqualTo("second"u8.ToArray()));
        }
    }

    [Test]
    public async Task It_reads_our_gzip()
    {
        await using var channel = RpcChannel.Connect(_channel.Target, RpcChannelOptions.Unlimited with { Gzip = true });
        var reply = await new Interop.InteropClient(channel).UnaryAsync(new Ask { Text = "squeezed", Payload = ByteString.CopyFrom(new byte[100_000]) });
        Assert.That((reply.Text, reply.Total), Is.EqualTo(("squeezed", 100_000L)));
    }

    [Test]
    public async Task Our_cancellation_reaches_it()
    {
        var (server, target) = await StartServerAsync();
        using (server)
        {
            await using var channel = RpcChannel.Connect(target);
            using var cancellation = new CancellationTokenSource();
            var client = new Interop.InteropClient(channel);
            using var call = client.UnaryAsync(new Ask { Hang = true }, new Metadata { { "x-begun", "yes" } }, cancellationToken: cancellation.Token);
            await call.ResponseHeadersAsync;
            await cancellation.CancelAsync();
            Assert.That((await Failure.OfAsync(async () => await call)).StatusCode, Is.EqualTo(StatusCode.Cancelled));
            Assert.That(await server.StandardOutput.ReadLineAsync(), Is.EqualTo("cancelled"));
            server.Kill();
        }
    }

    [Test]
    public async Task A_deadline_ends_the_call()
    {
        var e = await Failure.OfAsync(async () => await Client.UnaryAsync(new Ask { Hang = true }, deadline: DateTime.UtcNow.AddMilliseconds(200)));
        Assert.That(e.StatusCode, Is.EqualTo(StatusCode.DeadlineExceeded));
    }

    [Test]
    public async Task When_it_is_killed_in_the_middle_of_streams_they_fail_as_unavailable()
    {
        var (server, target) = await StartServerAsync();
        using (server)
        {
            await using var channel = RpcChannel.Connect(target);
            var client = new Interop.InteropClient(channel);
            using var expand = client.Expand(new Ask { Count = 1, Hang = true });
            using var chat = client.Chat();
            var unary = client.UnaryAsync(new Ask { Hang = true }).ResponseAsync;
            await chat.RequestStream.WriteAsync(new Ask());
            Assert.That(await expand.ResponseStream.MoveNext() && await chat.ResponseStream.MoveNext(), Is.True);

            server.Kill();

            Assert.That(await CodeOfAsync(expand.ResponseStream.MoveNext()), Is.EqualTo(StatusCode.Unavailable));
            Assert.That(await CodeOfAsync(chat.ResponseStream.MoveNext()), Is.EqualTo(StatusCode.Unavailable));
            Assert.That(await CodeOfAsync(unary), Is.EqualTo(StatusCode.Unavailable));
            Assert.That(await CodeOfAsync(chat.RequestStream.WriteAsync(new Ask())), Is.EqualTo(StatusCode.Unavailable));
            Assert.That(await CodeOfAsync(client.UnaryAsync(new Ask()).ResponseAsync), Is.EqualTo(StatusCode.Unavailable), "nobody listens any more");
        }
    }

    private static async Task<StatusCode> CodeOfAsync(Task call) => (await Failure.OfAsync(() => call.WaitAsync(Patience))).StatusCode;

    private static async Task<(Process Server, string Target)> StartServerAsync()
    {
        var server = GrpcJs.Start("serve");
        string? line = await server.StandardOutput.ReadLineAsync();
        Assert.That(line, Does.StartWith("listening "));
        return (server, $"127.0.0.1:{line!["listening ".Length..]}");
    }
}
