using Beam.ML.Vllm.StructuredOutput.Grammars;
using Beam.ML.Vllm.StructuredOutput.Json;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.StructuredOutput;

/// <summary>Compiles constraints for one tokenizer and keeps those used last. Safe for any number of threads, on which it does the work.</summary>
internal sealed class StructuredOutputCompiler
{
    private const int Kept = 32;

    // A constraint of a megabyte is compiled anew rather than kept as a key.
    private const int LongestKept = 1 << 17;

    private readonly Lock _lock = new();
    private readonly Lazy<TokenVocabulary> _vocabulary;
    private readonly Dictionary<string, LinkedListNode<(string Key, Lazy<CompiledConstraint> Constraint)>> _known = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Key, Lazy<CompiledConstraint> Constraint)> _recent = [];

    public StructuredOutputCompiler(Tokenizer tokenizer) => _vocabulary = new Lazy<TokenVocabulary>(() => TokenVocabulary.Of(tokenizer));

    public StructuredOutputCompiler(TokenVocabulary vocabulary) => _vocabulary = new Lazy<TokenVocabulary>(vocabulary);

    /// <exception cref="StructuredOutputException">The constraint cannot be used.</exception>
    public CompiledConstraint Compile(StructuredOutputsParams parameters)
    {
        var key = parameters.Key;
        if (key.Length > LongestKept) return new CompiledConstraint(GrammarOf(parameters), _vocabulary.Value);
        Lazy<CompiledConstraint> constraint;
        lock (_lock)
        {
            if (_known.TryGetValue(key, out var known)) _recent.Remove(known);
            else known = new((key, new Lazy<CompiledConstraint>(() => new CompiledConstraint(GrammarOf(parameters), _vocabulary.Value))));
            _recent.AddFirst(known);
            _known[key] = known;
            if (_recent.Count > Kept)
            {
                _known.Remove(_recent.Last!.Value.Key);
                _recent.RemoveLast();
            }
            constraint = known.Value.Constraint;
        }
        return constraint.Value;
    }

    /// <summary>The one form that all constraints are brought into.</summary>
    internal static Grammar GrammarOf(StructuredOutputsParams parameters)
    {
        parameters.Validate();
        if (parameters.Regex is { } regex) return Grammar.Of(RegexParser.Parse(regex));
        if (parameters.Choice is { } choice) return Grammar.Of(Expr.Alt([.. choice.Select(Expr.Text)]));
        if (parameters.Grammar is { } grammar) return LarkParser.IsLark(grammar) ? LarkParser.Parse(grammar) : GbnfParser.Parse(grammar);
        var layout = new JsonLayout(parameters.DisableAnyWhitespace, parameters.WhitespacePattern);
        return SchemaCompiler.Compile(parameters.Json ?? "{\"type\": \"object\"}", layout);
    }
}
