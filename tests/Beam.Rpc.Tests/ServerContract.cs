using Beam.Rpc.Tests.Protos;
using Google.Protobuf;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>What our client gets from any server of the test service: our own, and the one that is not.</summary>
internal abstract class ServerContract
{
    protected abstract Interop.InteropClient Client { get; }

    [Test]
    public async Task A_unary_call_returns_its_reply()
    {
        var call = Client.UnaryAsync(new Ask { Text = "hello", Payload = ByteString.CopyFrom(1, 2, 3) });
        var reply = await call;
        Assert.That(reply, Is.EqualTo(new Reply { Text = "hello", Total = 3 }));
        Assert.That(call.GetStatus().StatusCode, Is.EqualTo(StatusCode.OK));
    }

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

    [TestCase("plain")]
    [TestCase("100 % größer\n改行 🚀 %41")]
    public async Task A_failure_carries_its_code_and_message(string message)
    {
        var e = await Failure.OfAsync(async () =>
            await Client.UnaryAsync(new Ask { FailCode = (int)StatusCode.FailedPrecondition, FailMessage = message }));
        Assert.That((e.StatusCode, e.Status.Detail), Is.EqualTo((StatusCode.FailedPrecondition, message)));
    }

    [Test]
    public async Task A_failure_after_messages_comes_after_them()
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
        AssertConversations(1000);
        await Task.WhenAll(calls.Select(async call =>
        {
            await call.RequestStream.CompleteAsync();
            Assert.That(await call.ResponseStream.MoveNext(), Is.False);
            call.Dispose();
        }));
    }

    /// <summary>At least so many are open at this moment, where the server can be asked.</summary>
    protected virtual void AssertConversations(int count)
    {
    }
}
