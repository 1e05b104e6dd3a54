using Beam.Rpc.Tests.Protos;
using Google.Protobuf;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>Our client against our server, over each transport.</summary>
[TestFixture("tcp")]
[TestFixture("unix")]
[TestFixture("tls")]
internal sealed class CallTests(string transport)
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rpc").FullName;
    private OwnServer _peer = null!;

    private Interop.InteropClient Client => _peer.Client;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var certificate = transport == "tls" ? TestCertificate.Create() : null;
        _peer = await OwnServer.StartAsync(
            new RpcServerOptions
            {
                Listen = transport == "unix" ? $"unix:{_folder}/s" : "127.0.0.1:0",
                Certificate = certificate,
                MaxReceiveMessageSize = null,
            },
            RpcChannelOptions.Unlimited with { TrustedRoots = certificate is null ? null : [certificate] });
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _peer.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task A_unary_call_returns_its_reply()
    {
        var call = Client.UnaryAsync(new Ask { Text = "hello", Payload = ByteString.CopyFrom(1, 2, 3) });
        var reply = await call;
        Assert.That(reply, Is.EqualTo(new Reply { Text = "hello", Total = 3 }));
        Assert.That(call.GetStatus().StatusCode, Is.EqualTo(StatusCode.OK));
    }

    [Test]
    public void A_blocking_call_returns_its_reply() => Assert.That(Client.Unary(new Ask { Text = "x" }).Text, Is.EqualTo("x"));

    [Test]
    public async Task A_client_stream_is_read_to_its_end()
    {
        using var call = Client.Collect();
        for (int i = 0; i < 100; i++) await call.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[i]) });
        await call.RequestStream.CompleteAsync();
        Assert.That(await call, Is.EqualTo(new Reply { Total = 4950, Index = 100 }));
    }

    [Test]
    public async Task A_server_stream_arrives_whole_and_in_order()
    {
        using var call = Client.Expand(new Ask { Count = 1000, Text = "t", ReplySize = 100 });
        var indexes = await call.ResponseStream.ReadAllAsync().Select(r => r.Index).ToListAsync();
        Assert.That(indexes, Is.EqualTo(Enumerable.Range(0, 1000)));
        Assert.That(call.GetStatus().StatusCode, Is.EqualTo(StatusCode.OK));
    }

    [Test]
    public async Task A_conversation_goes_back_and_forth()
    {
        using var call = Client.Chat();
        for (int i = 0; i < 50; i++)
        {
            await call.RequestStream.WriteAsync(new Ask { Text = $"m{i}" });
            Assert.That(await call.ResponseStream.MoveNext(), Is.True);
            Assert.That(call.ResponseStream.Current, Is.EqualTo(new Reply { Text = $"m{i}", Index = i }));
        }
        await call.RequestStream.CompleteAsync();
        Assert.That(await call.ResponseStream.MoveNext(), Is.False);
    }

    [Test]
    public async Task Metadata_travels_both_ways_as_text_and_bytes()
    {
        byte[] bytes = [0, 255, 128, 10, 13];
        var headers = new Metadata { { "x-text", "plain, with comma" }, { "X-Bytes-bin", bytes }, { "x-empty-bin", [] } };
        using var call = Client.UnaryAsync(new Ask(), headers);
        var responseHeaders = await call.ResponseHeadersAsync;
        await call;
        var trailers = call.GetTrailers();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(responseHeaders.GetValue("x-text"), Is.EqualTo("plain, with comma"));
            Assert.That(responseHeaders.GetValueBytes("x-bytes-bin"), Is.EqualTo(bytes));
            Assert.That(responseHeaders.GetValueBytes("x-empty-bin"), Is.Empty);
            Assert.That(trailers.GetValue("x-text-trailer"), Is.EqualTo("plain, with comma"));
            Assert.That(trailers.GetValueBytes("x-bytes-trailer-bin"), Is.EqualTo(bytes));
        }
    }

    [TestCase("plain")]
    [TestCase("100 % größer\n改行 🚀 %41")]
    public async Task A_failure_carries_its_code_and_message(string message)
    {
        var e = await Failure.OfAsync(async () =>
            await Client.UnaryAsync(new Ask { FailCode = (int)StatusCode.FailedPrecondition, FailMessage = message }));
        Assert.That((e.StatusCode, e.Status.Detail), Is.EqualTo((StatusCode.FailedPrecondition, message)));
    }

    [Test]
    public async Task A_failure_after_messages_comes_in_trailers()
    {
        using var call = Client.Expand(new Ask { Count = 3, FailCode = (int)StatusCode.DataLoss, FailMessage = "später" });
        int seen = 0;
        var e = await Failure.OfAsync(async () =>
        {
            while (await call.ResponseStream.MoveNext()) seen++;
        });
        Assert.That((seen, e.StatusCode, e.Status.Detail), Is.EqualTo((3, StatusCode.DataLoss, "später")));
    }

    [Test]
    public async Task A_method_nobody_implements_is_unimplemented()
    {
        var e = await Failure.OfAsync(async () => await Client.MissingAsync(new Ask()));
        Assert.That(e.StatusCode, Is.EqualTo(StatusCode.Unimplemented));
    }

    [Test]
    public async Task A_message_of_64_MiB_passes_both_ways()
    {
        const int Size = 64 << 20;
        var reply = await Client.UnaryAsync(new Ask { Payload = UnsafeByteOperations.UnsafeWrap(new byte[Size]), ReplySize = Size });
        Assert.That((reply.Total, reply.Payload.Length), Is.EqualTo(((long)Size, Size)));
    }

    [Test]
    public async Task A_thousand_streams_run_at_once_on_one_connection()
    {
        await Client.UnaryAsync(new Ask());
        var calls = Enumerable.Range(0, 1000).Select(_ => Client.Chat()).ToList();
        await Task.WhenAll(calls.Select(async (call, i) =>
        {
            await call.RequestStream.WriteAsync(new Ask { Text = $"{i}" });
            Assert.That(await call.ResponseStream.MoveNext(), Is.True);
            Assert.That(call.ResponseStream.Current.Text, Is.EqualTo($"{i}"));
        }));
        Assert.That(_peer.Service.Running, Is.GreaterThanOrEqualTo(1000), "all are open at the same time");
        await Task.WhenAll(calls.Select(async call =>
        {
            await call.RequestStream.CompleteAsync();
            Assert.That(await call.ResponseStream.MoveNext(), Is.False);
            call.Dispose();
        }));
    }
}
