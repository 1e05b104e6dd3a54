using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class AccessTests
{
    [Test]
    public async Task With_keys_everything_but_health_version_and_metrics_needs_one_of_them()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ApiKeys = ["first", "second"] });
        foreach (var path in (string[])["/health", "/ping", "/version", "/metrics"]) Assert.That(await StatusAsync(path, null), Is.EqualTo(200), path);
        foreach (var path in (string[])["/v1/models", "/v1/completions", "/tokenize", "/load", "/nothing"]) Assert.That(await StatusAsync(path, null), Is.EqualTo(401), path);
        Assert.That(await StatusAsync("/v1/models", "second"), Is.EqualTo(200));
        Assert.That(await StatusAsync("/v1/models", "third"), Is.EqualTo(401));
        Assert.That(await StatusAsync("/v1/models", "firs"), Is.EqualTo(401));
        Assert.That((await server.GetAsync("/v1/models", HttpStatusCode.Unauthorized)).Text("error", "type"), Is.EqualTo("AuthenticationError"));

        async Task<int> StatusAsync(string path, string? key)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            if (key is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var response = await server.Client.SendAsync(request);
            return (int)response.StatusCode;
        }
    }

    [Test]
    public async Task Browsers_of_other_origins_are_let_in_only_where_named()
    {
        await using var closed = await TestServer.StartAsync();
        await using var open = await TestServer.StartAsync(new ServerOptions { AllowedOrigins = ["http://page.example"] });
        Assert.That(await AllowedAsync(closed, "http://page.example"), Is.Null);
        Assert.That(await AllowedAsync(open, "http://page.example"), Is.EqualTo("http://page.example"));
        Assert.That(await AllowedAsync(open, "http://other.example"), Is.Null);

        static async Task<string?> AllowedAsync(TestServer server, string origin)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models") { Headers = { { "Origin", origin } } };
            using var response = await server.Client.SendAsync(request);
            return response.Headers.TryGetValues("Access-Control-Allow-Origin", out var values) ? values.Single() : null;
        }
    }

    [Test]
    public async Task A_page_may_send_the_headers_that_it_asks_for()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { AllowedOrigins = ["*"], ApiKeys = ["secret"] });
        using var request = new HttpRequestMessage(HttpMethod.Options, "/v1/chat/completions")
        {
            Headers = { { "Origin", "http://page.example" }, { "Access-Control-Request-Method", "POST" }, { "Access-Control-Request-Headers", "authorization,x-stainless-os" } },
        };
        using var response = await server.Client.SendAsync(request);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.NoContent));
        Assert.That(response.Headers.GetValues("Access-Control-Allow-Headers").Single(), Is.EqualTo("authorization,x-stainless-os"));
        Assert.That(response.Headers.GetValues("Access-Control-Max-Age").Single(), Is.EqualTo("600"));
    }

    [Test]
    public async Task A_place_where_nothing_can_listen_is_told_and_nothing_is_removed_there()
    {
        await using var server = await TestServer.StartAsync();
        var folder = Directory.CreateTempSubdirectory("beam-uds-");
        try
        {
            Assert.That(() => StartAsync(new ServerOptions { Port = server.Server.Address!.Port }), Throws.InstanceOf<IOException>().With.Message.EqualTo($"Port {server.Server.Address!.Port} of 127.0.0.1 is in use; --port 0 takes a free one."));
            Assert.That(() => StartAsync(new ServerOptions { Host = "192.0.2.1", Port = 0 }), Throws.InstanceOf<IOException>().With.Message.Contains("192.0.2.1 is no address of this machine"));
            var file = Path.Combine(folder.FullName, "empty");
            await File.WriteAllBytesAsync(file, []);
            Assert.That(() => StartAsync(new ServerOptions { UnixSocketPath = file }), Throws.InstanceOf<IOException>().With.Message.Contains("no socket"));
            Assert.That(File.Exists(file));
            Assert.That(() => StartAsync(new ServerOptions { UnixSocketPath = Path.Combine(folder.FullName, "none", "x") }), Throws.InstanceOf<IOException>().With.Message.Contains("does not exist"));
            Assert.That(() => StartAsync(new ServerOptions { UnixSocketPath = Path.Combine(folder.FullName, new string('x', 200)) }), Throws.InstanceOf<IOException>().With.Message.Contains("too long"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        async Task StartAsync(ServerOptions options)
        {
            await using var other = await OpenAIServer.StartAsync(server.Engine, options);
        }
    }

    [Test]
    public async Task A_Unix_socket_is_for_its_owner_alone()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Ignore("Windows has no modes of files.");
            return;
        }

        var folder = Directory.CreateTempSubdirectory("beam-uds-");
        try
        {
            var path = Path.Combine(folder.FullName, "engine.sock");
            await using var server = await TestServer.StartAsync(new ServerOptions { UnixSocketPath = Path.GetRelativePath(Environment.CurrentDirectory, path) });
            Assert.That(server.Server.UnixSocketPath, Is.EqualTo(path));
            Assert.That(File.GetUnixFileMode(path), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
            using var client = new HttpClient(new SocketsHttpHandler
            {
                ConnectCallback = async (_, token) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), token);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            });
            Assert.That((await client.GetFromJsonAsync<System.Text.Json.JsonElement>("http://localhost/v1/models")).Text("data", 0, "id"), Is.EqualTo("tiny-gemma"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Test]
    public async Task Models_go_by_all_of_their_names_and_answers_carry_the_first()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { ServedModelNames = ["org/large", "small"] });
        var list = await server.GetAsync("/v1/models");
        Assert.That(list.At("data").EnumerateArray().Select(m => m.Text("id")), Is.EqualTo(new[] { "org/large", "small" }));
        Assert.That(list.At("data", 0, "max_model_len").GetInt32(), Is.EqualTo(1024));
        Assert.That(list.At("data", 0, "permission", 0, "allow_sampling").GetBoolean(), Is.True);
        Assert.That((await server.GetAsync("/v1/models/org%2Flarge")).Text("id"), Is.EqualTo("org/large"));
        await server.GetAsync("/v1/models/large", HttpStatusCode.NotFound);
        Assert.That((await server.PostAsync("/v1/completions", new { model = "small", prompt = "a", max_tokens = 1 })).Text("model"), Is.EqualTo("org/large"));
    }
}
