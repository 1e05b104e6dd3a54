using Beam.Rpc.Tests.Protos;
using Google.Protobuf;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>How calls, channels and servers end.</summary>
internal sealed class LifetimeTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Test]
    public async Task A_cancelled_token_ends_the_call_on_both_sides()
    {
        await using var peer = await OwnServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        using var call = peer.Client.UnaryAsync(new Ask { Hang = true }, new Metadata { { "x-begun", "" } }, cancellationToken: cancellation.Token);
        await call.ResponseHeadersAsync;
        await cancellation.CancelAsync();
        Assert.That((await Failure.OfAsync(async () => await call)).StatusCode, Is.EqualTo(StatusCode.Cancelled));
        await peer.Service.Cancelled.Task.WaitAsync(Patience);
    }

    [Test]
    public async Task A_token_cancelled_before_the_call_sends_nothing()
    {
        await using var peer = await OwnServer.StartAsync();
        using var call = peer.Client.Chat(cancellationToken: new CancellationToken(canceled: true));
        Assert.That((await Failure.OfAsync(() => call.ResponseStream.MoveNext())).StatusCode, Is.EqualTo(StatusCode.Cancelled));
        Assert.That((await Failure.OfAsync(() => call.RequestStream.WriteAsync(new Ask()))).StatusCode, Is.EqualTo(StatusCode.Cancelled));
        Assert.That(call.GetStatus().StatusCode, Is.EqualTo(StatusCode.Cancelled));
    }

    [Test]
    public async Task Disposing_a_stream_cancels_it_on_the_server()
    {
        await using var peer = await OwnServer.StartAsync();
        var call = peer.Client.Chat();
        await call.RequestStream.WriteAsync(new Ask());
        await call.ResponseStream.MoveNext();
        var pending = call.ResponseStream.MoveNext();
        call.Dispose();
        Assert.That((await Failure.OfAsync(() => pending)).StatusCode, Is.EqualTo(StatusCode.Cancelled));
        await peer.Service.Cancelled.Task.WaitAsync(Patience);
    }

    [Test]
    public async Task Cancelling_one_read_cancels_the_call()
    {
        await using var peer = await OwnServer.StartAsync();
        using var call = peer.Client.Chat();
        using var cancellation = new CancellationTokenSource();
        var read = call.ResponseStream.MoveNext(cancellation.Token);
        await cancellation.CancelAsync();
        Assert.That((await Failure.OfAsync(() => read)).StatusCode, Is.EqualTo(StatusCode.Cancelled));
    }

    [Test]
    public async Task A_deadline_ends_the_call_on_both_sides()
    {
        await using var peer = await OwnServer.StartAsync();
        // On a slow machine a short deadline may pass before the server hears of the call.
        bool begun = false;
        for (var deadline = TimeSpan.FromMilliseconds(200); !begun; deadline *= 2)
        {
            using var call = peer.Client.UnaryAsync(new Ask { Hang = true }, new Metadata { { "x-begun", "" } }, DateTime.UtcNow + deadline);
            Assert.That((await Failure.OfAsync(async () => await call)).StatusCode, Is.EqualTo(StatusCode.DeadlineExceeded));
            begun = call.ResponseHeadersAsync.IsCompletedSuccessfully;
        }
        await peer.Service.Cancelled.Task.WaitAsync(Patience);
    }

    [Test]
    public async Task A_deadline_in_the_past_fails_at_once()
    {
        await using var peer = await OwnServer.StartAsync();
        var e = await Failure.OfAsync(async () => await peer.Client.UnaryAsync(new Ask(), deadline: DateTime.UtcNow.AddSeconds(-1)));
        Assert.That(e.StatusCode, Is.EqualTo(StatusCode.DeadlineExceeded));
    }

    [Test]
    public async Task A_deadline_far_away_does_not_disturb()
    {
        await using var peer = await OwnServer.StartAsync();
        Assert.That((await peer.Client.UnaryAsync(new Ask { Text = "a" }, deadline: DateTime.UtcNow.AddYears(500))).Text, Is.EqualTo("a"));
    }

    [Test]
    public async Task Nobody_listening_is_unavailable()
    {
        await using var tcp = RpcChannel.Connect("127.0.0.1:1");
        await using var unix = RpcChannel.Connect($"unix:{Path.GetTempPath()}/{Guid.NewGuid():N}");
        foreach (var channel in new[] { tcp, unix })
        {
            var client = new Interop.InteropClient(channel);
            Assert.That((await Failure.OfAsync(async () => await client.UnaryAsync(new Ask()))).StatusCode, Is.EqualTo(StatusCode.Unavailable));
            using var chat = client.Chat();
            Assert.That((await Failure.OfAsync(() => chat.RequestStream.WriteAsync(new Ask()))).StatusCode, Is.EqualTo(StatusCode.Unavailable));
            Assert.That((await Failure.OfAsync(() => chat.ResponseStream.MoveNext())).StatusCode, Is.EqualTo(StatusCode.Unavailable));
        }
    }

    [Test]
    public async Task Disposing_the_channel_cancels_its_calls()
    {
        await using var peer = await OwnServer.StartAsync();
        using var call = peer.Client.Chat();
        await call.RequestStream.WriteAsync(new Ask());
        await call.ResponseStream.MoveNext();
        var pending = call.ResponseStream.MoveNext();
        await peer.Channel.DisposeAsync();
        Assert.That((await Failure.OfAsync(() => pending)).StatusCode, Is.EqualTo(StatusCode.Cancelled));
        Assert.That((await Failure.OfAsync(async () => await peer.Client.UnaryAsync(new Ask()))).StatusCode, Is.EqualTo(StatusCode.Cancelled));
        await peer.Service.Cancelled.Task.WaitAsync(Patience);
    }

    [Test]
    public async Task A_stopping_server_lets_a_running_call_end()
    {
        await using var peer = await OwnServer.StartAsync(new RpcServerOptions { ShutdownGrace = Patience });
        using var call = peer.Client.Chat();
        await call.RequestStream.WriteAsync(new Ask());
        await call.ResponseStream.MoveNext();
        var stopping = peer.Server.StopAsync();
        for (int i = 1; i <= 20; i++)
        {
            await call.RequestStream.WriteAsync(new Ask());
            Assert.That(await call.ResponseStream.MoveNext(), Is.True);
        }
        Assert.That(stopping.IsCompleted, Is.False);
        await call.RequestStream.CompleteAsync();
        Assert.That(await call.ResponseStream.MoveNext(), Is.False);
        await stopping.WaitAsync(Patience);
        Assert.That((await Failure.OfAsync(async () => await peer.Client.UnaryAsync(new Ask()))).StatusCode, Is.EqualTo(StatusCode.Unavailable));
    }

    [Test]
    public async Task A_call_that_outlives_the_grace_is_cut_off()
    {
        await using var peer = await OwnServer.StartAsync(new RpcServerOptions { ShutdownGrace = TimeSpan.FromMilliseconds(50) });
        using var call = peer.Client.Chat();
        await call.RequestStream.WriteAsync(new Ask());
        await call.ResponseStream.MoveNext();
        await peer.Server.StopAsync();
        Assert.That((await Failure.OfAsync(() => call.ResponseStream.MoveNext())).StatusCode, Is.EqualTo(StatusCode.Unavailable));
        await peer.Service.Cancelled.Task.WaitAsync(Patience);
    }

    [Test]
    public async Task A_channel_connects_again_to_a_server_that_came_back()
    {
        var folder = Directory.CreateTempSubdirectory("rpc");
        var options = new RpcServerOptions { Listen = $"unix:{folder.FullName}/s", ShutdownGrace = TimeSpan.Zero };
        await using var channel = RpcChannel.Connect(options.Listen);
        var client = new Interop.InteropClient(channel);
        for (int i = 0; i < 3; i++)
        {
            await using var server = await RpcServer.StartAsync(options, [Interop.BindService(new InteropService())]);
            Reply reply;
            try
            {
                reply = await client.UnaryAsync(new Ask { Text = $"{i}" });
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
            {
                // The call went out on the old connection before its end was noticed; the next one cannot.
                reply = await client.UnaryAsync(new Ask { Text = $"{i}" });
            }
            Assert.That(reply.Text, Is.EqualTo($"{i}"));
        }
        folder.Delete(recursive: true);
    }

    [Test]
    public async Task A_peer_that_falls_silent_is_found_out_by_pings_on_both_sides()
    {
        await using var peer = await OwnServer.StartAsync(new RpcServerOptions
        {
            KeepAlivePingDelay = TimeSpan.FromSeconds(1), KeepAlivePingTimeout = TimeSpan.FromSeconds(1),
        });
        await using var wire = new Wire(peer.Server.Target);
        await using var channel = RpcChannel.Connect(wire.Target, new RpcChannelOptions
        {
            KeepAlivePingDelay = TimeSpan.FromSeconds(1), KeepAlivePingTimeout = TimeSpan.FromSeconds(1),
        });
        using var call = new Interop.InteropClient(channel).Chat();
        await call.RequestStream.WriteAsync(new Ask());
        Assert.That(await call.ResponseStream.MoveNext(), Is.True);

        wire.Freeze();

        var e = await Failure.OfAsync(() => call.ResponseStream.MoveNext().WaitAsync(Patience));
        Assert.That(e.StatusCode, Is.EqualTo(StatusCode.Unavailable), e.ToString());
        await peer.Service.Cancelled.Task.WaitAsync(Patience);
    }

    [Test]
    public async Task A_write_of_the_server_that_is_cancelled_while_it_waits_cancels_the_call()
    {
        var method = new Method<Ask, Reply>(MethodType.ServerStreaming, "s", "flood", Marshaller<Ask>(), Marshaller<Reply>());
        var ended = new TaskCompletionSource<Exception>();
        using var cancellation = new CancellationTokenSource();
        await using var server = await RpcServer.StartAsync(new RpcServerOptions(), [ServerServiceDefinition.CreateBuilder().AddMethod(
            method, new ServerStreamingServerMethod<Ask, Reply>(async (_, responses, _) =>
            {
                try
                {
                    while (true) await responses.WriteAsync(new Reply { Payload = ByteString.CopyFrom(new byte[1 << 20]) }, cancellation.Token);
                }
                catch (Exception e)
                {
                    ended.SetResult(e);
                    throw;
                }
            })).Build()]);
        await using var channel = RpcChannel.Connect(server.Target);
        using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(method, null, default, new Ask());
        await call.ResponseStream.MoveNext();
        await cancellation.CancelAsync();
        Assert.That(await ended.Task.WaitAsync(Patience), Is.InstanceOf<OperationCanceledException>());
        var e = await Failure.OfAsync(async () =>
        {
            while (await call.ResponseStream.MoveNext()) { }
        });
        Assert.That(e.StatusCode, Is.EqualTo(StatusCode.Cancelled));
    }

    [Test]
    public async Task Misuse_of_a_stream_is_reported()
    {
        await using var peer = await OwnServer.StartAsync();
        using var call = peer.Client.Chat();
        Assert.That(() => call.GetStatus(), Throws.InvalidOperationException);
        Assert.That(() => call.ResponseStream.Current, Throws.InvalidOperationException);
        await call.RequestStream.CompleteAsync();
        Assert.That(async () => await call.RequestStream.WriteAsync(new Ask()), Throws.InvalidOperationException);
        Assert.That(await call.ResponseStream.MoveNext(), Is.False);
    }

    [Test]
    public async Task A_method_that_fails_by_itself_tells_no_secrets()
    {
        var method = Method("fail");
        await using var server = await RpcServer.StartAsync(new RpcServerOptions(), [ServerServiceDefinition.CreateBuilder()
            .AddMethod(method, new UnaryServerMethod<Ask, Reply>((_, _) => throw new InvalidDataException("secret"))).Build()]);
        await using var channel = RpcChannel.Connect(server.Target);
        var e = await Failure.OfAsync(async () => await channel.CreateCallInvoker().AsyncUnaryCall(method, null, default, new Ask()));
        Assert.That(e.StatusCode, Is.EqualTo(StatusCode.Unknown));
        Assert.That(e.Status.Detail, Does.Contain(nameof(InvalidDataException)).And.Not.Contain("secret"));
    }

    [Test]
    public async Task A_call_ended_early_by_the_server_tells_the_writer_why()
    {
        var method = new Method<Ask, Reply>(MethodType.DuplexStreaming, "s", "refuse", Marshaller<Ask>(), Marshaller<Reply>());
        await using var server = await RpcServer.StartAsync(new RpcServerOptions(), [ServerServiceDefinition.CreateBuilder().AddMethod(
            method, new DuplexStreamingServerMethod<Ask, Reply>((_, _, _) => throw new RpcException(new Status(StatusCode.PermissionDenied, "no")))).Build()]);
        await using var channel = RpcChannel.Connect(server.Target);
        using var call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(method, null, default);
        var e = await Failure.OfAsync(async () =>
        {
            while (true) await call.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[10_000]) });
        });
        Assert.That(e.StatusCode, Is.EqualTo(StatusCode.PermissionDenied));
        Assert.That((await Failure.OfAsync(() => call.ResponseStream.MoveNext())).StatusCode, Is.EqualTo(StatusCode.PermissionDenied));
    }

    private static Method<Ask, Reply> Method(string name) => new(MethodType.Unary, "s", name, Marshaller<Ask>(), Marshaller<Reply>());

    private static Marshaller<T> Marshaller<T>() where T : class, IMessage<T>, new() =>
        Marshallers.Create(m => m.ToByteArray(), bytes => { var m = new T(); m.MergeFrom(bytes); return m; });
}
