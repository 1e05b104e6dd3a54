namespace Beam.ML.Vllm.Server.Tests;

public sealed class TokenizeTests
{
    [Test]
    public async Task Tokens_and_text_are_each_others()
    {
        await using var server = await TestServer.StartAsync();
        var tokens = await server.PostAsync("/tokenize", new { model = "tiny-gemma", prompt = TestServer.Question, return_token_strs = true });
        var ids = server.Engine.Tokenizer!.Encode(TestServer.Question);
        Assert.That(tokens.At("tokens").Ints(), Is.EqualTo(ids));
        Assert.That(tokens.At("count").GetInt32(), Is.EqualTo(ids.Length));
        Assert.That(tokens.At("max_model_len").GetInt32(), Is.EqualTo(1024));
        Assert.That(tokens.Text("token_strs", 0), Is.EqualTo("<bos>"));
        Assert.That((await server.PostAsync("/detokenize", new { tokens = ids[1..] })).Text("prompt"), Is.EqualTo(TestServer.Question));
        Assert.That((await server.PostAsync("/tokenize", new { prompt = TestServer.Question, add_special_tokens = false })).At("tokens").Ints(), Is.EqualTo(ids[1..]));
        Assert.That((await server.ErrorAsync("/detokenize", new { tokens = new[] { 1 << 20 } })).Text("param"), Is.EqualTo("tokens"));
    }

    [Test]
    public async Task A_conversation_is_tokenized_as_the_template_writes_it()
    {
        await using var server = await TestServer.StartAsync();
        var tokens = await server.PostAsync("/tokenize", new { messages = new[] { new { role = "user", content = "Hello" } } });
        Assert.That(server.Engine.Tokenizer!.Decode(tokens.At("tokens").Ints(), skipSpecialTokens: false),
            Is.EqualTo("<bos><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n"));
    }
}
