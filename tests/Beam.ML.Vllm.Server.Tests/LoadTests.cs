using System.Net;
using System.Net.Sockets;
using System.Text;
using Beam.ML.Vllm.Server.Endpoints;
using Beam.ML.Vllm.Server.Generation;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Tests;

/// <summary>What is bounded before the engine sees a request: bytes of bodies, and the requests that are made ready at a time.</summary>
public sealed class LoadTests
{
    [Test]
    public async Task Bodies_that_others_only_begin_to_send_do_not_take_more_memory_than_there_is_for_them()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxRequestBodySize = 1 << 20 });
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var senders = new List<Socket>();
        try
        {
            // Almost as long as a body may be, and more of them than may be held at a time; those that are held never end.
            for (var i = 0; i < 12; i++) senders.Add(await BeginAsync(server, $"Content-Length: {(1 << 20) - 1024}"));
            while (server.Server.ActiveRequests < 8) await Task.Delay(5, patience.Token);
            while (true)
            {
                using var response = await server.Client.PostAsync("/tokenize", JsonReading.Json($"{{\"prompt\": \"{new string(' ', 900_000)}\"}}"), patience.Token);
                if (response.StatusCode == HttpStatusCode.OK) continue;
                Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
                Assert.That(response.Headers.RetryAfter!.Delta, Is.EqualTo(TimeSpan.FromSeconds(1)));
                Assert.That(TestServer.Parse(await response.Content.ReadAsStringAsync()).Text("error", "type"), Is.EqualTo("ServiceUnavailableError"));
                break;
            }

            // What is short has room still.
            await server.PostAsync("/tokenize", new { prompt = "a" });
        }
        finally
        {
            foreach (var sender in senders) sender.Dispose();
        }

        // Those that left have given back what they took.
        HttpStatusCode status;
        do
        {
            using var response = await server.Client.PostAsync("/tokenize", JsonReading.Json($"{{\"prompt\": \"{new string(' ', 900_000)}\"}}"), patience.Token);
            status = response.StatusCode;
        }
        while (status == HttpStatusCode.ServiceUnavailable);
        Assert.That(status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task A_body_of_unknown_length_takes_its_part_as_it_grows()
    {
        var budget = new BodyBudget(32_768, longest: 100_000);
        var http = Post(new byte[20_000]);
        http.Request.ContentLength = null;
        Assert.That(() => RequestBody.ReadAsync(http.Request, budget, default), Throws.InstanceOf<ApiException>().With.Property("Status").EqualTo(503));
        Assert.That(budget.Taken, Is.Zero);

        http = Post(new byte[9000]);
        http.Request.ContentLength = null;
        using (var body = await RequestBody.ReadAsync(http.Request, budget, default)) Assert.That((body.Bytes.Length, budget.Taken), Is.EqualTo((9000, 16_384)));
        Assert.That(budget.Taken, Is.Zero);
    }

    [Test]
    public async Task Requests_are_made_ready_a_few_at_a_time_and_those_beyond_are_turned_away()
    {
        await using var server = await TestServer.StartAsync();
        using var context = new ServerContext(server.Engine, new ServerOptions { MaxConcurrentSequences = 1 });
        var turns = new List<PreparationSlots.Pass>();
        for (var i = 0; i < Environment.ProcessorCount; i++) turns.Add(await context.Preparation.EnterAsync(default));
        var endpoint = new TokenizeEndpoint(context);
        var waits = endpoint.HandleAsync(Post("{\"prompt\": \"a\"}"u8.ToArray()));
        var refused = await Assert.ThrowsAsync<ApiException>(() => endpoint.HandleAsync(Post("{\"prompt\": \"a\"}"u8.ToArray())));
        Assert.That((refused!.Status, refused.RetryAfter), Is.EqualTo((503, 1)));
        Assert.That(waits.IsCompleted, Is.False);
        turns[0].Dispose();
        await waits;
        await endpoint.HandleAsync(Post("{\"prompt\": \"a\"}"u8.ToArray()));
        Assert.That(context.Bodies.Taken, Is.Zero);
    }

    [Test]
    public async Task Who_leaves_while_the_request_waits_for_its_turn_has_nothing_done()
    {
        using var slots = new PreparationSlots(1, 1);
        var turn = await slots.EnterAsync(default);
        using var leave = new CancellationTokenSource();
        var waits = slots.EnterAsync(leave.Token).AsTask();
        await leave.CancelAsync();
        Assert.That(() => waits, Throws.InstanceOf<OperationCanceledException>());
        waits = slots.EnterAsync(default).AsTask();
        turn.Dispose();
        (await waits).Dispose();
    }

    [Test]
    public async Task Who_leaves_has_no_further_prompt_tokenized()
    {
        await using var server = await TestServer.StartAsync();
        var fields = new JsonFields(TestServer.Parse("""{"prompt": ["a", "b"]}"""));
        Assert.That(() => new PromptEncoder(server.Engine).Read(fields, "prompt", 2, new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task The_first_prompt_that_fails_ends_the_others_and_no_further_one_begins()
    {
        using var stop = new CancellationTokenSource();
        var begun = new List<int>();
        var failure = await Assert.ThrowsAsync<InvalidDataException>(() => EachPrompt.RunAsync(4, stop, async i =>
        {
            begun.Add(i);
            if (i == 1) throw new InvalidDataException();
            await Task.Delay(Timeout.Infinite, stop.Token);
        }));
        Assert.That((failure, begun.Count), Is.EqualTo((failure, 2)));
        Assert.That(stop.IsCancellationRequested, Is.True);
    }

    private static DefaultHttpContext Post(byte[] body)
    {
        var http = new DefaultHttpContext();
        http.Request.Method = "POST";
        http.Request.ContentType = "application/json";
        http.Request.ContentLength = body.Length;
        http.Request.Body = new MemoryStream(body);
        return http;
    }

    private static async Task<Socket> BeginAsync(TestServer server, string length)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, server.Server.Address!.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n "));
        return socket;
    }
}
