using System.Runtime.Versioning;
using Beam.Rpc.Tests.Protos;
using Google.Protobuf;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>Sizes, back-pressure, compression, tokens and sockets' modes.</summary>
internal sealed class LimitTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Test]
    public async Task A_request_over_the_servers_limit_is_refused_and_the_next_is_served()
    {
        await using var peer = await OwnServer.StartAsync();
        var big = new Ask { Payload = ByteString.CopyFrom(new byte[(4 << 20) + 1]) };
        Assert.That((await Failure.OfAsync(async () => await peer.Client.UnaryAsync(big))).StatusCode, Is.EqualTo(StatusCode.ResourceExhausted));
        Assert.That((await peer.Client.UnaryAsync(new Ask { Text = "a" })).Text, Is.EqualTo("a"));
    }

    [Test]
    public async Task A_reply_over_the_clients_limit_is_refused()
    {
        await using var peer = await OwnServer.StartAsync();
        var e = await Failure.OfAsync(async () => await peer.Client.UnaryAsync(new Ask { ReplySize = (4 << 20) + 1 }));
        Assert.That(e.StatusCode, Is.EqualTo(StatusCode.ResourceExhausted));
    }

    [Test]
    public async Task A_request_over_the_clients_own_limit_is_not_sent()
    {
        await using var peer = await OwnServer.StartAsync(channel: new RpcChannelOptions { MaxSendMessageSize = 1000 });
        var big = new Ask { Payload = ByteString.CopyFrom(new byte[1001]) };
        Assert.That((await Failure.OfAsync(async () => await peer.Client.UnaryAsync(big))).StatusCode, Is.EqualTo(StatusCode.ResourceExhausted));
        using var chat = peer.Client.Chat();
        Assert.That((await Failure.OfAsync(() => chat.RequestStream.WriteAsync(big))).StatusCode, Is.EqualTo(StatusCode.ResourceExhausted));
    }

    [Test]
    public async Task Gzip_goes_both_ways_when_the_client_asks([Values(10, 1 << 20)] int size)
    {
        await using var peer = await OwnServer.StartAsync(channel: new RpcChannelOptions { Gzip = true });
        using var call = peer.Client.UnaryAsync(new Ask { Text = "squeezed", Payload = ByteString.CopyFrom(new byte[size]), ReplySize = size });
        var reply = await call;
        Assert.That((reply.Text, reply.Total, reply.Payload.Length), Is.EqualTo(("squeezed", (long)size, size)));
    }

    [Test]
    public async Task A_message_that_decompresses_over_the_limit_is_refused()
    {
        await using var peer = await OwnServer.StartAsync(channel: new RpcChannelOptions { Gzip = true });
        var bomb = new Ask { Payload = ByteString.CopyFrom(new byte[64 << 20]) };
        Assert.That((await Failure.OfAsync(async () => await peer.Client.UnaryAsync(bomb))).StatusCode, Is.EqualTo(StatusCode.ResourceExhausted));
        Assert.That((await Failure.OfAsync(async () => await peer.Client.UnaryAsync(new Ask { ReplySize = 5 << 20 }))).StatusCode,
            Is.EqualTo(StatusCode.ResourceExhausted));
    }

    [Test]
    public async Task A_server_that_does_not_read_holds_its_writer_back()
    {
        var gate = new TaskCompletionSource();
        var service = new Gated(gate.Task);
        await using var server = await RpcServer.StartAsync(new RpcServerOptions { MaxReceiveMessageSize = null }, [Interop.BindService(service)]);
        await using var channel = RpcChannel.Connect(server.Target, RpcChannelOptions.Unlimited);
        using var call = new Interop.InteropClient(channel).Collect();

        var chunk = new Ask { Payload = ByteString.CopyFrom(new byte[64 << 10]) };
        int written = 0;
        var writing = Task.Run(async () =>
        {
            for (; written < 1600; Interlocked.Increment(ref written)) await call.RequestStream.WriteAsync(chunk);
            await call.RequestStream.CompleteAsync();
        });
        await UntilItStandsStillAsync(() => Volatile.Read(ref written));
        // The stream's window and the socket's buffers, of 100 MiB.
        Assert.That(Volatile.Read(ref written) * 64 / 1024, Is.LessThan(16), "MiB written to a reader that does not read");

        gate.SetResult();
        await writing.WaitAsync(Patience);
        Assert.That((await call).Total, Is.EqualTo(100L << 20));
    }

    [Test]
    public async Task A_client_that_does_not_read_holds_its_server_back()
    {
        var service = new Gated(Task.CompletedTask);
        await using var server = await RpcServer.StartAsync(new RpcServerOptions(), [Interop.BindService(service)]);
        await using var channel = RpcChannel.Connect(server.Target);
        using var call = new Interop.InteropClient(channel).Expand(new Ask { Count = 1600, ReplySize = 64 << 10 });

        Assert.That(await call.ResponseStream.MoveNext(), Is.True);
        await UntilItStandsStillAsync(() => service.Written);
        Assert.That(service.Written * 64 / 1024, Is.LessThan(32), "MiB written to a reader that does not read");

        int read = 1;
        while (await call.ResponseStream.MoveNext()) read++;
        Assert.That(read, Is.EqualTo(1600));
    }

    [Test]
    public async Task A_stalled_stream_does_not_stop_the_others()
    {
        var gate = new TaskCompletionSource();
        await using var server = await RpcServer.StartAsync(new RpcServerOptions(), [Interop.BindService(new Gated(gate.Task))]);
        await using var channel = RpcChannel.Connect(server.Target);
        var client = new Interop.InteropClient(channel);
        using var stalled = client.Collect();
        int written = 0;
        var writing = Task.Run(async () =>
        {
            for (; written < 160; Interlocked.Increment(ref written)) await stalled.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[64 << 10]) });
            await stalled.RequestStream.CompleteAsync();
        });
        await UntilItStandsStillAsync(() => Volatile.Read(ref written));
        Assert.That((await client.UnaryAsync(new Ask { Payload = ByteString.CopyFrom(new byte[3 << 20]) }).ResponseAsync.WaitAsync(Patience)).Total, Is.EqualTo(3 << 20));
        gate.SetResult();
        await writing.WaitAsync(Patience);
    }

    [Test]
    public async Task The_channels_headers_go_with_each_call()
    {
        int asked = 0;
        await using var peer = await OwnServer.StartAsync(channel: new RpcChannelOptions
        {
            DefaultHeaders = new Metadata { { "x-worker", "w1" } },
            HeaderProvider = _ => ValueTask.FromResult(new Metadata { { "x-token", $"t{++asked}" } }),
        });
        for (int i = 1; i <= 2; i++)
        {
            using var call = peer.Client.UnaryAsync(new Ask());
            var headers = await call.ResponseHeadersAsync;
            Assert.That((headers.GetValue("x-worker"), headers.GetValue("x-token")), Is.EqualTo(("w1", $"t{i}")));
        }
    }

    [Test]
    public async Task A_call_without_the_servers_token_is_unauthenticated()
    {
        await using var peer = await OwnServer.StartAsync(
            new RpcServerOptions { BearerToken = "right" },
            new RpcChannelOptions { DefaultHeaders = new Metadata { { "authorization", "Bearer right" } } });
        Assert.That((await peer.Client.UnaryAsync(new Ask { Text = "in" })).Text, Is.EqualTo("in"));
        foreach (var headers in new Metadata?[] { null, new Metadata { { "authorization", "Bearer wrong" } } })
        {
            await using var channel = RpcChannel.Connect(peer.Server.Target, new RpcChannelOptions { DefaultHeaders = headers });
            var e = await Failure.OfAsync(async () => await new Interop.InteropClient(channel).UnaryAsync(new Ask()));
            Assert.That(e.StatusCode, Is.EqualTo(StatusCode.Unauthenticated));
        }
    }

    [Test]
    [Platform(Exclude = "Win", Reason = "Windows has no file modes.")]
    [UnsupportedOSPlatform("windows")]
    public async Task A_unix_socket_is_for_its_owner_alone()
    {
        var folder = Directory.CreateTempSubdirectory("rpc");
        string path = $"{folder.FullName}/s";
        await using (await OwnServer.StartAsync(new RpcServerOptions { Listen = "unix:" + path }))
        {
            Assert.That(File.GetUnixFileMode(path), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        }
        folder.Delete(recursive: true);
    }

    [Test]
    public async Task A_socket_left_by_a_killed_process_is_replaced_but_a_live_one_is_not()
    {
        var folder = Directory.CreateTempSubdirectory("rpc");
        string path = $"{folder.FullName}/s";
        // Moving the file away and back keeps it from being removed with its listener.
        using (var dead = UnixSocket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path))) File.Move(path, path + "2");
        File.Move(path + "2", path);
        await using (var peer = await OwnServer.StartAsync(new RpcServerOptions { Listen = "unix:" + path }))
        {
            Assert.That(async () => await OwnServer.StartAsync(new RpcServerOptions { Listen = "unix:" + path }), Throws.InstanceOf<IOException>());
            Assert.That((await peer.Client.UnaryAsync(new Ask { Text = "still here" })).Text, Is.EqualTo("still here"));
        }
        folder.Delete(recursive: true);
    }

    [TestCase("")]
    [TestCase("127.0.0.1")]
    [TestCase("ftp://127.0.0.1:1")]
    [TestCase("http://127.0.0.1:1/path")]
    [TestCase("unix:")]
    [TestCase("no port")]
    public void A_target_that_is_none_is_refused(string target) => Assert.That(() => RpcChannel.Connect(target), Throws.InstanceOf<ArgumentException>());

    [Test]
    public void A_socket_path_too_long_for_the_system_is_refused() =>
        Assert.That(() => RpcChannel.Connect("unix:/" + new string('x', 110)), Throws.ArgumentException.With.Message.Contains("shorter"));

    /// <summary>Waits until a counter that started has not moved for a while; what follows holds whenever that was.</summary>
    private static async Task UntilItStandsStillAsync(Func<int> counter)
    {
        for (int last = -1, still = 0; still < 10;)
        {
            await Task.Delay(50);
            int now = counter();
            still = now == last && now > 0 ? still + 1 : 0;
            last = now;
        }
    }

    /// <summary>Reads a client stream only once the gate opens; counts what it wrote to a server stream.</summary>
    private sealed class Gated(Task gate) : Interop.InteropBase
    {
        private int _written;

        public int Written => Volatile.Read(ref _written);

        public override Task<Reply> Unary(Ask request, ServerCallContext context) => Task.FromResult(new Reply { Total = request.Payload.Length });

        public override async Task<Reply> Collect(IAsyncStreamReader<Ask> requestStream, ServerCallContext context)
        {
            await gate;
            long total = 0;
            await foreach (var ask in requestStream.ReadAllAsync()) total += ask.Payload.Length;
            return new Reply { Total = total };
        }

        public override async Task Expand(Ask request, IServerStreamWriter<Reply> responseStream, ServerCallContext context)
        {
            var reply = new Reply { Payload = ByteString.CopyFrom(new byte[request.ReplySize]) };
            for (; _written < request.Count; Interlocked.Increment(ref _written)) await responseStream.WriteAsync(reply);
        }
    }
}
