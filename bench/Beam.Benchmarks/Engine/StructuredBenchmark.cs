using System.Diagnostics;
using System.Text;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;

namespace Beam.Benchmarks.Engine;

/// <summary>
/// How long it takes to find the tokens that fit, at each place of texts that follow a constraint: the first time (cold) and again. The
/// vocabularies are made up, in the proportions of those of large models: words with and without a space before them, numbers, punctuation
/// and code, other scripts, single bytes.
/// </summary>
internal sealed class StructuredBenchmark : IBenchmark
{
    private const string Schema =
        """
        {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 150}, "email": {"type": "string", "format": "email"},
          "kind": {"enum": ["person", "company", "place"]}, "notes": {"type": "string", "maxLength": 200},
          "items": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}, "label": {"type": "string"}, "price": {"type": "number"}}, "required": ["id", "label"]}}},
         "required": ["name", "age", "kind", "notes", "items"], "additionalProperties": false}
        """;

    private static readonly (string Name, StructuredOutputsParams Constraint, string Text)[] Cases =
    [
        ("JSON schema", new() { Json = Schema },
            """{"name": "Ana María", "age": 41, "email": "ana.m@example.com", "kind": "person", "notes": "She said \"no\" twice.", "items": [{"id": 1, "label": "first one"}, {"id": 22, "label": "second", "price": 12.50}]}"""),
        ("any JSON", new() { Json = "{}" }, """{"a": [1, 2.5, {"b": "text with words", "c": null}], "d": {"e": [[["deep"]]]}}"""),
        ("300 properties", new() { Json = "{\"type\": \"object\", \"properties\": {" + string.Join(", ", Enumerable.Range(0, 300).Select(i => $"\"{(char)('a' + (i % 26))}_field_{i}\": {{\"type\": \"string\"}}")) + "}}" },
            """{"a_field_0": "x", "j_field_35": "some words", "e_field_212": "more"}"""),
        ("regex", new() { Regex = @"[A-Z][a-z]+( [A-Z][a-z]+)*, \d{4}-\d{2}-\d{2}: [^\n]{10,200}" }, "Mexico City, 2024-12-31: a line of free text with some words"),
        ("grammar", new() { Grammar = "root ::= expr\nexpr ::= term ((\" + \" | \" - \") term)*\nterm ::= factor ((\" * \" | \" / \") factor)*\nfactor ::= [0-9]+ | [a-z]+ | \"(\" expr \")\"" }, "(a + 12) * (b - (c / 3)) + total"),
    ];

    public string Verb => "structured";

    public string Group => "engine";

    public string Description => "The tokens that a constraint allows: microseconds a token, on vocabularies of 128 K and 256 K.";

    public Task RunAsync(BenchmarkSettings settings)
    {
        foreach (var size in (int[])[131_072, 262_144])
        {
            var tokens = MadeUpVocabulary(size);
            var watch = Stopwatch.StartNew();
            var vocabulary = new TokenVocabulary(tokens);
            Console.WriteLine($"vocabulary of {size / 1024} K tokens: {watch.Elapsed.TotalMilliseconds:N0} ms to prepare, once");
            foreach (var (name, constraint, text) in Cases) Measure($"{name}, {size / 1024} K tokens", vocabulary, constraint, Encoding.UTF8.GetBytes(text), settings);
        }
        return Task.CompletedTask;
    }

    // Neighbours on the machine only ever add to a time so short: each step counts with its fastest run.
    private static void Measure(string name, TokenVocabulary vocabulary, StructuredOutputsParams parameters, byte[] text, BenchmarkSettings settings)
    {
        const int TokenBytes = 4; // about what models make of such a text
        var steps = (text.Length + TokenBytes - 1) / TokenBytes;
        var compile = double.MaxValue;
        var (cold, known, apply) = (Longest(), Longest(), Longest());
        var logits = new float[vocabulary.Count];
        for (var run = 0; run < settings.WarmUps + settings.Repeats; run++)
        {
            var watch = Stopwatch.StartNew();
            var constraint = new StructuredOutputCompiler(vocabulary).Compile(parameters);
            compile = Math.Min(compile, watch.Elapsed.TotalMilliseconds);
            var place = constraint.Start;
            for (var step = 0; step < steps; step++)
            {
                watch.Restart();
                place = constraint.After(place, text.AsSpan(step * TokenBytes, Math.Min(TokenBytes, text.Length - (step * TokenBytes))));
                _ = constraint.MaskOf(place);
                Note(cold, step);
                var mask = constraint.MaskOf(place);
                Note(known, step);
                mask.Apply(logits, [0]);
                Note(apply, step);
            }
            if (place.IsDead) throw new InvalidOperationException($"The text of '{name}' does not follow its constraint.");

            void Note(double[] times, int step)
            {
                times[step] = Math.Min(times[step], watch.Elapsed.TotalMicroseconds);
                watch.Restart();
            }
        }
        Console.WriteLine(
            $"{name,-30} compiled in {compile,5:N1} ms; a mask the first time {cold.Average(),6:N0} µs (slowest {cold.Max():N0}), known {known.Average():N2} µs, put on the logits {apply.Average():N0} µs");

        double[] Longest() => [.. Enumerable.Repeat(double.MaxValue, steps)];
    }

    private static byte[]?[] MadeUpVocabulary(int size)
    {
        var random = new Random(17);
        var tokens = new HashSet<string>(size, StringComparer.Ordinal);
        string[] letters = ["etaoinshrdlucmfwygpbvk", "оеаинтсрвлкмдпу", "的一是不了人我在有他这中大来上", "αειοτνσρ", "ÄÖÜäöüéèñç"];
        string[] punctuation = ["\"", "\\", "{", "}", "[", "]", ":", ",", " ", "\n", "(", ")", ".", "_", "=", ";", "/", "-", "<", ">", "'", "\t", "*", "#"];
        while (tokens.Count < size - 257)
        {
            var kind = random.NextDouble();
            if (kind < 0.08) tokens.Add(string.Concat(Enumerable.Range(0, random.Next(1, 6)).Select(_ => punctuation[random.Next(punctuation.Length)])));
            else if (kind < 0.10) tokens.Add(random.Next(2000).ToString(System.Globalization.CultureInfo.InvariantCulture));
            else if (kind < 0.11) tokens.Add(new string(' ', random.Next(1, 48)));
            else
            {
                var script = letters[kind < 0.7 ? 0 : random.Next(letters.Length)];
                var word = string.Concat(Enumerable.Range(0, random.Next(2, 12)).Select(_ => script[(int)(script.Length * random.NextDouble() * random.NextDouble())]));
                if (random.Next(6) == 0) word = char.ToUpperInvariant(word[0]) + word[1..];
                tokens.Add((random.Next(2) == 0 ? " " : "") + word + (random.Next(12) == 0 ? punctuation[random.Next(punctuation.Length)] : ""));
            }
        }
        return [null, .. Enumerable.Range(0, 256).Select(b => new[] { (byte)b }), .. tokens.Select(Encoding.UTF8.GetBytes)];
    }
}
