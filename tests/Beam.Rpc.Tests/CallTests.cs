using Beam.Rpc.Tests.Protos;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>Our client against our server, over each transport.</summary>
[TestFixture("tcp")]
[TestFixture("unix")]
[TestFixture("tls")]
internal sealed class CallTests(string transport) : ServerContract
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rpc").FullName;
    private OwnServer _peer = null!;

    protected override Interop.InteropClient Client => _peer.Client;

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
    public void A_blocking_call_returns_its_reply() => Assert.That(Client.Unary(new Ask { Text = "x" }).Text, Is.EqualTo("x"));

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

    protected override void AssertConversations(int count) => Assert.That(_peer.Service.Running, Is.GreaterThanOrEqualTo(count));
}
