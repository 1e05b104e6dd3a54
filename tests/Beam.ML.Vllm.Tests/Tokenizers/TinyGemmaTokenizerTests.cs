using System.Text.Json;
using Beam.ML.Vllm.Tokenizers;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Tokenizers;

public sealed class TinyGemmaTokenizerTests
{
    private readonly Tokenizer _tokenizer = Tokenizer.Load(Golden.TinyGemma);

    [Test]
    public void All_golden_prompts_encode_and_all_answers_decode()
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Golden.Folder, "tiny_gemma.json")));
        foreach (var c in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            var prompt = Ids(c, "prompt_ids");
            Assert.That(_tokenizer.Encode(c.GetProperty("prompt").GetString()!), Is.EqualTo(prompt));
            var detokenizer = new IncrementalDetokenizer(_tokenizer, prompt);
            // The token that ended the answer is no part of its text.
            var answer = Ids(c, "output_ids");
            if (c.GetProperty("finish_reason").GetString() == "stop") answer = answer[..^1];
            Assert.That(string.Concat(answer.Select(detokenizer.Append)) + detokenizer.Flush(), Is.EqualTo(c.GetProperty("text").GetString()));
        }

        static int[] Ids(JsonElement c, string name) => [.. c.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];
    }

    [Test]
    public void A_prompt_starts_with_bos() =>
        Assert.That(_tokenizer.Encode("Describe Yemen."), Is.EqualTo((int[])[2, 470, 934, 1994]));

    [Test]
    public void Turn_markers_in_the_text_are_tokens()
    {
        var ids = _tokenizer.Encode("<start_of_turn>user\nWhat is the capital of Suriname?<end_of_turn>\n<start_of_turn>model\n");
        Assert.That(ids, Is.EqualTo((int[])[2, 4, 290, 319, 6, 311, 267, 268, 279, 273, 1032, 2005, 5, 6, 4, 1996, 650, 368, 6]));
    }

    [Test]
    public void A_special_token_written_out_in_the_text_is_that_token() =>
        Assert.That(_tokenizer.Encode("<bos>Describe Yemen.", addSpecialTokens: false), Is.EqualTo((int[])[2, 470, 934, 1994]));

    [Test]
    public void The_answer_keeps_the_space_before_it()
    {
        var prompt = _tokenizer.Encode("Describe Yemen.");
        var detokenizer = new IncrementalDetokenizer(_tokenizer, prompt);
        foreach (var id in (int[])[934, 267, 331, 1]) detokenizer.Append(id);
        Assert.That(detokenizer.Text, Is.EqualTo(_tokenizer.Decode([.. prompt, 934, 267, 331])[_tokenizer.Decode(prompt).Length..]));
        Assert.That(detokenizer.Text, Does.StartWith(" Yemen is"));
    }

    [Test]
    public void Special_tokens_have_roles_and_no_text()
    {
        Assert.That((_tokenizer.BosTokenId, _tokenizer.EosTokenId, _tokenizer.PadTokenId, _tokenizer.UnkTokenId), Is.EqualTo((2, 1, 0, 3)));
        Assert.That(_tokenizer.IsSpecial(2) && !_tokenizer.IsSpecial(470));
        Assert.That(_tokenizer.Decode([2, 470, 1]), Is.EqualTo(_tokenizer.Decode([470])));
        Assert.That(_tokenizer.Decode([2], skipSpecialTokens: false), Is.EqualTo("<bos>"));
        Assert.That(_tokenizer.TokenToId("<bos>"), Is.EqualTo(2));
        Assert.That(_tokenizer.IdToToken(6), Is.EqualTo("\n"));
    }
}
