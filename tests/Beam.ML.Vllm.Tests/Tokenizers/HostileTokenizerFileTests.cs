using System.Text;
using Beam.ML.Vllm.Tokenizers;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Tokenizers;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class HostileTokenizerFileTests
{
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("tokenizer").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private Tokenizer Load(string name, byte[] content)
    {
        File.WriteAllBytes(Path.Combine(_folder, name), content);
        return Tokenizer.Load(_folder);
    }

    [Test]
    public void A_folder_without_a_tokenizer_is_named_with_what_was_expected() =>
        Assert.That(() => Tokenizer.Load(_folder), Throws.TypeOf<TokenizerException>().With.Message.Contains(_folder).And.Message.Contains("tokenizer.json").And.Message.Contains("tokenizer.model"));

    [TestCase("tokenizer.model", "model_bpe")]
    [TestCase("tokenizer.model", "model_unigram")]
    [TestCase("tokenizer.json", "wordpiece")]
    public void A_file_cut_short_anywhere_is_an_error_in_one_line_that_names_it(string file, string golden)
    {
        var whole = File.ReadAllBytes(Path.Combine(Golden.TokenizerFolder(golden), file));
        foreach (var length in Enumerable.Range(0, 200).Select(i => i < 40 ? i : (int)(whole.Length * (i / 201.0))))
        {
            try
            {
                Load(file, whole[..length]).Encode("some text");
            }
            catch (TokenizerException e)
            {
                Assert.That(e.Message, Does.Contain(_folder).And.Not.Contain("\n"));
            }
        }
    }

    [TestCase("tokenizer.model", "model_bpe")]
    [TestCase("tokenizer.model", "model_unigram_prefix")]
    [TestCase("tokenizer.json", "sentencepiece_gemma")]
    [TestCase("tokenizer.json", "byte_level_llama3")]
    public void A_file_with_bytes_overwritten_loads_or_is_refused(string file, string golden)
    {
        var random = new Random(42);
        var whole = File.ReadAllBytes(Path.Combine(Golden.TokenizerFolder(golden), file));
        for (var round = 0; round < 100; round++)
        {
            var damaged = (byte[])whole.Clone();
            for (var i = 0; i < 1 + round % 5; i++) damaged[random.Next(round % 2 == 0 ? damaged.Length : Math.Min(2000, damaged.Length))] = (byte)random.Next(256);
            try
            {
                var tokenizer = Load(file, damaged);
                tokenizer.Decode(tokenizer.Encode("Some text, 字 🙂 <end_of_turn>"));
            }
            catch (TokenizerException)
            {
            }
        }
    }

    private static string Json(string model, string rest = "") => $$"""{"model": {{model}}{{rest}}}""";

    private const string WordLevel = """{"type": "WordLevel", "vocab": {"a": 0, "<unk>": 1}, "unk_token": "<unk>"}""";

    [TestCase("", "JSON")]
    [TestCase("[]", "JSON object")]
    [TestCase("{}", "no model")]
    [TestCase("""{"model": 5}""", "not an object")]
    [TestCase("""{"model": {"type": "BPE"}}""", "vocab")]
    [TestCase("""{"model": {"type": "Strange", "vocab": {}}}""", "Strange")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}""", "-1")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": 2000000000}, "merges": []}}""", "2000000000")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}}""", "id 0")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": "x"}, "merges": []}}""", "valid id")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}}""", "pair")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}""", "'b'")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a a"]}}""", "'aa'")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "a", "a"]]}}""", "pair")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "x"}}""", "'x'")]
    [TestCase("""{"model": {"type": "BPE", "vocab": {"\ud800": 0}, "merges": []}}""", "")]
    [TestCase("""{"model": {"type": "Unigram", "vocab": [["a", "b"]]}}""", "score")]
    [TestCase("""{"model": {"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": 7}}""", "unk_id")]
    [TestCase("""{"model": {"type": "WordPiece", "vocab": {"a": 0}}}""", "[UNK]")]
    public void A_malformed_tokenizer_json_is_refused_with_the_reason(string json, string reason) =>
        Assert.That(() => Load("tokenizer.json", Encoding.UTF8.GetBytes(json)),
            Throws.TypeOf<TokenizerException>().With.Message.Contains(_folder).And.Message.Contains(reason).And.Message.Not.Contains("\n"));

    [TestCase("""{"type": "Strange"}""", "pre_tokenizer")]
    [TestCase("""{"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"}""", "pre_tokenizer")]
    [TestCase("""{"type": "Split", "pattern": {"String": "x"}, "behavior": "Odd"}""", "pre_tokenizer")]
    [TestCase("""{"type": "Strange"}""", "normalizer")]
    [TestCase("""{"type": "Precompiled", "precompiled_charsmap": "////fw=="}""", "normalizer")]
    [TestCase("""{"type": "Precompiled", "precompiled_charsmap": "%"}""", "normalizer")]
    [TestCase("""{"type": "Strange"}""", "decoder")]
    [TestCase("""{"type": "Strange"}""", "post_processor")]
    [TestCase("""{"type": "TemplateProcessing", "single": []}""", "post_processor")]
    [TestCase("""5""", "decoder")]
    [TestCase("""[{"id": 99999999, "content": "x"}]""", "added_tokens")]
    [TestCase("""[{"content": "x"}]""", "added_tokens")]
    public void A_part_that_cannot_be_used_is_refused(string part, string name) =>
        Assert.That(() => Load("tokenizer.json", Encoding.UTF8.GetBytes(Json(WordLevel, $", \"{name}\": {part}"))), Throws.TypeOf<TokenizerException>());

    [Test]
    public void A_part_nested_without_end_is_refused()
    {
        var nested = string.Concat(Enumerable.Repeat("{\"type\": \"Sequence\", \"normalizers\": [", 10_000)) + string.Concat(Enumerable.Repeat("]}", 10_000));
        Assert.That(() => Load("tokenizer.json", Encoding.UTF8.GetBytes(Json(WordLevel, ", \"normalizer\": " + nested))), Throws.TypeOf<TokenizerException>());
    }

    [Test]
    public void A_regular_expression_that_never_ends_is_stopped()
    {
        var json = Json(WordLevel, """, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a|a|aa)+$"}, "behavior": "Isolated"}""");
        var tokenizer = Load("tokenizer.json", Encoding.UTF8.GetBytes(json));
        Assert.That(() => tokenizer.Encode(new string('a', 40) + "b"), Throws.TypeOf<TokenizerException>().With.Message.Contains("took longer"));
    }

    [Test]
    public void A_broken_configuration_beside_a_tokenizer_is_named()
    {
        File.Copy(Path.Combine(Golden.TokenizerFolder("model_bpe"), "tokenizer.model"), Path.Combine(_folder, "tokenizer.model"));
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), "{");
        Assert.That(() => Tokenizer.Load(_folder), Throws.TypeOf<TokenizerException>().With.Message.Contains("tokenizer_config.json"));
    }
}
