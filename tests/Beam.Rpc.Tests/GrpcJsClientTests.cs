using System.Diagnostics;

namespace Beam.Rpc.Tests;

/// <summary>grpc-js calls our server.</summary>
internal sealed class GrpcJsClientTests
{
    private OwnServer _peer = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        await GrpcJs.RequireAsync();
        _peer = await OwnServer.StartAsync(new RpcServerOptions { MaxReceiveMessageSize = null });
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_peer is not null) await _peer.DisposeAsync();
    }

    [TestCase("unary")]
    [TestCase("client_streaming")]
    [TestCase("server_streaming")]
    [TestCase("bidirectional_streaming")]
    [TestCase("metadata")]
    [TestCase("status_message")]
    [TestCase("status_after_messages")]
    [TestCase("gzip")]
    [TestCase("message_of_64_mib")]
    [TestCase("thousand_streams")]
    [TestCase("cancelled")]
    [TestCase("deadline")]
    [TestCase("unimplemented")]
    public async Task It_sees_what_the_protocol_says(string name) => Assert.That(await GrpcJs.CallAsync(_peer.Server.Target, name), Is.Null);

    [Test]
    public async Task Its_cancellation_reaches_our_method()
    {
        await using var peer = await OwnServer.StartAsync();
        Assert.That(await GrpcJs.CallAsync(peer.Server.Target, "cancelled_stream"), Is.Null);
        await peer.Service.Cancelled.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    [Test]
    public async Task It_is_told_that_its_message_is_over_the_limit()
    {
        await using var peer = await OwnServer.StartAsync();
        Assert.That(await GrpcJs.CallAsync(peer.Server.Target, "over_the_limit"), Is.Null);
    }

    [Test]
    public async Task It_reaches_a_unix_socket()
    {
        var folder = Directory.CreateTempSubdirectory("rpc");
        await using (var peer = await OwnServer.StartAsync(new RpcServerOptions { Listen = $"unix:{folder.FullName}/s" }))
        {
            Assert.That(await GrpcJs.CallAsync(peer.Server.Target, "bidirectional_streaming"), Is.Null);
        }
        folder.Delete(recursive: true);
    }

    [Test]
    public async Task Its_stream_fails_when_our_server_stops_at_once()
    {
        await using var peer = await OwnServer.StartAsync(new RpcServerOptions { ShutdownGrace = TimeSpan.Zero });
        using var client = GrpcJs.Start("call", peer.Server.Target, "server_dies");
        Assert.That(await client.StandardOutput.ReadLineAsync(), Is.EqualTo("streaming"));
        await peer.Server.StopAsync();
        string outcome = await client.StandardOutput.ReadToEndAsync();
        Assert.That(outcome, Is.EqualTo("ok\n"), outcome);
    }
}
