using System.Runtime.InteropServices;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class EmbeddingsTests
{
    private const string Path = "/v1/embeddings";

    [Test]
    public async Task Each_input_has_an_embedding_of_length_one_in_floats_or_base64()
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.PostAsync(Path, new { model = "tiny-gemma", input = new[] { TestServer.Question, "Hello" } });
        Assert.That((answer.Text("object"), answer.Text("data", 0, "object"), answer.At("data", 1, "index").GetInt32()), Is.EqualTo(("list", "embedding", 1)));
        var floats = answer.At("data", 0, "embedding").EnumerateArray().Select(e => e.GetSingle()).ToArray();
        Assert.That(floats.Sum(f => f * f), Is.EqualTo(1).Within(1e-3));
        Assert.That(answer.At("usage", "prompt_tokens").GetInt32(), Is.EqualTo(answer.At("usage", "total_tokens").GetInt32()).And.GreaterThan(5));
        var base64 = await server.PostAsync(Path, new { input = server.Engine.Tokenizer!.Encode(TestServer.Question), encoding_format = "base64" });
        Assert.That(MemoryMarshal.Cast<byte, float>(base64.At("data", 0, "embedding").GetBytesFromBase64()).ToArray(), Is.EqualTo(floats));
    }

    [Test]
    public async Task What_cannot_be_embedded_is_refused_by_its_field()
    {
        await using var server = await TestServer.StartAsync();
        Assert.That((await server.ErrorAsync(Path, new { input = "a", dimensions = 4 })).Text("param"), Is.EqualTo("dimensions"));
        Assert.That((await server.ErrorAsync(Path, new { input = "a", encoding_format = "hex" })).Text("param"), Is.EqualTo("encoding_format"));
        Assert.That((await server.ErrorAsync(Path, new { model = "tiny-gemma" })).Text("param"), Is.EqualTo("input"));
        Assert.That((await server.ErrorAsync(Path, new { input = string.Join(' ', Enumerable.Repeat("Mexico", 2000)) })).Text("message"), Does.Contain("maximum context length"));
    }
}
