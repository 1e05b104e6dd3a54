using System.Text;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;
using Beam.ML.Vllm.Tests.Tokenizers;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

[TestFixture]
public sealed class MaskTests
{
    private static readonly string[] Schemas =
    [
        "{}", """{"type": "string"}""", """{"type": "string", "maxLength": 7}""", """{"type": "string", "minLength": 3, "maxLength": 30}""",
        """{"type": "string", "pattern": "^[a-z é]+$"}""", """{"type": "object", "properties": {"people": {"type": "string"}}, "additionalProperties": {"type": "string"}}""",
        """{"type": "object", "additionalProperties": true, "patternProperties": {"^a": {"type": "integer"}}}""", """{"enum": ["The capital", "The people", 12, null]}""",
        """{"type": "array", "items": {"type": "number", "minimum": -1.5, "maximum": 300}}""",
    ];

    // WordPiece joins words by rules that look at the text around them.
    private static IEnumerable<string> Tokenizers => Golden.TokenizerNames.Where(n => n != "wordpiece");

    [Test]
    public void A_mask_is_what_trying_each_token_gives([Values("byte_level_llama3", "sentencepiece_gemma", "byte_level_qwen2", "unigram")] string tokenizer)
    {
        var vocabulary = TokenVocabulary.Of(Golden.Load(tokenizer));
        var random = new Random(11);
        foreach (var schema in Schemas)
        {
            var constraint = new StructuredOutputCompiler(vocabulary).Compile(new() { Json = schema });
            var place = constraint.Start;
            for (var i = 0; i < 30; i++)
            {
                var mask = constraint.MaskOf(place);
                var allowed = Enumerable.Range(0, vocabulary.Count).Where(id => !constraint.After(place, id).IsDead).ToArray();
                Assert.That(Enumerable.Range(0, vocabulary.Count).Where(mask.Allows), Is.EqualTo(allowed), schema);
                Assert.That(mask.Count, Is.EqualTo(allowed.Length));
                Assert.That(mask.CanEnd, Is.EqualTo(place.IsEnd));
                if (allowed.Length == 0) break;
                place = constraint.After(place, allowed[random.Next(allowed.Length)]);
            }
        }
    }

    [Test]
    public void Tokens_are_the_bytes_that_they_decode_to([ValueSource(nameof(Tokenizers))] string name)
    {
        var tokenizer = Golden.Load(name);
        foreach (var text in Golden.Cases(name).Select(c => c.Decoded))
        {
            var ids = tokenizer.Encode("a" + text, addSpecialTokens: false);
            if (ids.Any(tokenizer.IsSpecial) || ids.Contains(tokenizer.UnkTokenId ?? -1)) continue;
            var bytes = ids.SelectMany(tokenizer.TextBytes).ToArray();
            var decoded = Encoding.UTF8.GetString(bytes);
            Assert.That(decoded.TrimStart(' '), Is.EqualTo(tokenizer.Decode(ids).TrimStart(' ')), text);
        }
    }

    [Test]
    public void Special_tokens_are_no_text()
    {
        var tokenizer = Golden.Load("sentencepiece_gemma");
        var mask = new StructuredOutputCompiler(tokenizer).Compile(new() { Regex = "(?s).*" }) is var constraint ? constraint.MaskOf(constraint.Start) : null!;
        for (var id = 0; id < tokenizer.VocabularySize; id++)
            if (tokenizer.IsSpecial(id)) Assert.That(mask.Allows(id), Is.False, $"{id}");
    }

    [Test]
    public void Applying_a_mask_forbids_all_else_and_the_end_too_early()
    {
        var vocabulary = new TokenVocabulary([.. Enumerable.Range(0, 150).Select(i => new[] { (byte)i })]);
        var constraint = new StructuredOutputCompiler(vocabulary).Compile(new() { Regex = "a(bc)?" });
        var start = new float[200];
        constraint.MaskOf(constraint.Start).Apply(start, [150]);
        Assert.That(Enumerable.Range(0, 200).Where(i => start[i] == 0), Is.EqualTo(new int[] { 'a' }));
        var later = new float[200];
        constraint.MaskOf(constraint.After(constraint.Start, 'a')).Apply(later, [150, 151, 999]);
        Assert.That(Enumerable.Range(0, 200).Where(i => later[i] == 0), Is.EqualTo(new[] { 'b', 150, 151 }));
    }

    [Test]
    public void Equal_constraints_are_compiled_once()
    {
        var compiler = new StructuredOutputCompiler(Golden.Load("byte_level_gpt2"));
        var one = compiler.Compile(new() { Choice = ["a", "b"] });
        Assert.Multiple(() =>
        {
            Assert.That(compiler.Compile(new() { Choice = ["a", "b"] }), Is.SameAs(one));
            Assert.That(compiler.Compile(new() { Choice = ["a", "c"] }), Is.Not.SameAs(one));
        });
        for (var i = 0; i < 40; i++) compiler.Compile(new() { Choice = [$"{i}"] });
        Assert.That(compiler.Compile(new() { Choice = ["a", "b"] }), Is.Not.SameAs(one));
    }
}
