using System.Text;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.StructuredOutput.Automata;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

/// <summary>A constraint as the texts that it accepts, on a vocabulary of single bytes.</summary>
internal sealed class Language
{
    private static readonly TokenVocabulary Bytes = new([.. Enumerable.Range(0, 256).Select(b => new[] { (byte)b })]);

    private Language(StructuredOutputsParams parameters) => Constraint = new StructuredOutputCompiler(Bytes).Compile(parameters);

    public CompiledConstraint Constraint { get; }

    public static Language Regex(string pattern) => new(new() { Regex = pattern });

    public static Language Grammar(string grammar) => new(new() { Grammar = grammar });

    public static Language Json(string schema) => new(new() { Json = schema });

    public static Language Of(StructuredOutputsParams parameters) => new(parameters);

    public bool Accepts(string text) => After(text).IsEnd;

    /// <summary>Whether a text may go on from here, or is whole.</summary>
    public bool StartsWith(string text) => !After(text).IsDead;

    /// <summary>The place after a text that came in tokens of a few bytes.</summary>
    public StackNode After(string text) => Encoding.UTF8.GetBytes(text).Chunk(16).Aggregate(Constraint.Start, (place, token) => Constraint.After(place, token));
}
