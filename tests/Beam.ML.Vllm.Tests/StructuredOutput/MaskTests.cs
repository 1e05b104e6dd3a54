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
    }

    [Test]
    public void Constraints_are_kept_by_the_bytes_that_they_take_and_those_used_last_stay()
    {
        var compiler = new StructuredOutputCompiler(new TokenVocabulary([.. Enumerable.Range(0, 256).Select(b => new[] { (byte)b })]), keptBytes: 1 << 20);
        var small = compiler.Compile(new() { Choice = ["a"] });
        var first = compiler.Compile(new() { Regex = "[a-z]{1,4000}" });
        for (var i = 0; i < 20; i++)
        {
            Assert.That(compiler.Compile(new() { Choice = ["a"] }), Is.SameAs(small), "in use all the time");
            var large = compiler.Compile(new() { Regex = $"{i}[a-z]{{1,4000}}" });
            Assert.That(large.Bytes, Is.InRange(100_000, 400_000));
            Assert.That(compiler.Kept.Bytes, Is.LessThanOrEqualTo(1 << 20));
        }
        Assert.That(compiler.Compile(new() { Regex = "[a-z]{1,4000}" }), Is.Not.SameAs(first));
        for (var i = 0; i < 400; i++) Assert.That(() => compiler.Compile(new() { Regex = $"({i}" }), Throws.InstanceOf<StructuredOutputException>());
        Assert.That(compiler.Kept.Count, Is.LessThan(300), "those that cannot be used are remembered too");
    }

    [Test]
    public void What_a_constraint_takes_grows_with_what_is_found_out()
    {
        var vocabulary = TokenVocabulary.Of(Golden.Load("byte_level_gpt2"));
        var constraint = new StructuredOutputCompiler(vocabulary).Compile(new() { Json = "{}" });
        var before = constraint.Bytes;
        _ = constraint.MaskOf(constraint.After(constraint.Start, "{\"a\""u8));
        Assert.That(constraint.Bytes, Is.GreaterThan(before + (vocabulary.Words * sizeof(ulong)) + 1000));
    }

    [Test]
    public void Completions_at_different_places_do_not_wait_for_each_other()
    {
        var constraint = new StructuredOutputCompiler(TokenVocabulary.Of(Golden.Load("byte_level_gpt2"))).Compile(new() { Json = "{}" });
        var busy = constraint.After(constraint.Start, "["u8);
        var other = constraint.After(constraint.Start, "{"u8);
        lock (busy)
        {
            var mask = Task.Run(() => constraint.MaskOf(other));
            Assert.That(mask.Wait(TimeSpan.FromMinutes(1)), Is.True);
        }
    }

    [Test]
    public void Masks_found_by_many_threads_are_those_found_by_one()
    {
        var vocabulary = TokenVocabulary.Of(Golden.Load("byte_level_gpt2"));
        foreach (var schema in Schemas)
        {
            var (shared, alone) = (new StructuredOutputCompiler(vocabulary).Compile(new() { Json = schema }), new StructuredOutputCompiler(vocabulary).Compile(new() { Json = schema }));
            var walks = new (int[] Tokens, ulong[][] Masks)[8];
            Parallel.For(0, walks.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
            {
                var random = new Random(i);
                var (tokens, masks, place) = (new List<int>(), new List<ulong[]>(), shared.Start);
                for (var step = 0; step < 15; step++)
                {
                    var mask = shared.MaskOf(place);
                    masks.Add(mask.Bits.ToArray());
                    if (mask.Count == 0) break;
                    var allowed = Enumerable.Range(0, vocabulary.Count).Where(mask.Allows).ToArray();
                    tokens.Add(allowed[random.Next(allowed.Length)]);
                    place = shared.After(place, tokens[^1]);
                }
                walks[i] = ([.. tokens], [.. masks]);
            });
            foreach (var (tokens, masks) in walks)
            {
                var place = alone.Start;
                for (var step = 0; step < masks.Length; step++)
                {
                    Assert.That(alone.MaskOf(place).Bits.SequenceEqual(masks[step]), Is.True, $"{schema}, after {step} tokens");
                    if (step < tokens.Length) place = alone.After(place, tokens[step]);
                }
            }
        }
    }
}
