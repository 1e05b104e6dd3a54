using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Beam.ML.Vllm.StructuredOutput.Grammars;
using Beam.ML.Vllm.StructuredOutput.Json;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.StructuredOutput;

/// <summary>Compiles constraints for one tokenizer and keeps those used last. Safe for any number of threads, on which it does the work.</summary>
internal sealed class StructuredOutputCompiler
{
    private const long DefaultKeptBytes = 128 << 20;
    private const int MostKept = 256;

    private readonly long _keptBytes;
    private readonly Lock _lock = new();
    private readonly Lazy<TokenVocabulary> _vocabulary;
    private readonly Dictionary<string, LinkedListNode<Entry>> _known = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _recent = [];

    public StructuredOutputCompiler(Tokenizer tokenizer) : this(new Lazy<TokenVocabulary>(() => TokenVocabulary.Of(tokenizer)))
    {
    }

    /// <param name="vocabulary">The tokens.</param>
    /// <param name="keptBytes">What the kept constraints may take together.</param>
    public StructuredOutputCompiler(TokenVocabulary vocabulary, long keptBytes = DefaultKeptBytes) : this(new Lazy<TokenVocabulary>(vocabulary), keptBytes)
    {
    }

    private StructuredOutputCompiler(Lazy<TokenVocabulary> vocabulary, long keptBytes = DefaultKeptBytes) => (_vocabulary, _keptBytes) = (vocabulary, keptBytes);

    /// <summary>Bytes that the kept constraints take, which grow while they are in use, and how many these are.</summary>
    internal (long Bytes, int Count) Kept
    {
        get
        {
            lock (_lock) return (_recent.Sum(e => e.Bytes), _recent.Count);
        }
    }

    /// <exception cref="StructuredOutputException">The constraint cannot be used.</exception>
    /// <exception cref="OperationCanceledException">The caller has gone.</exception>
    public CompiledConstraint Compile(StructuredOutputsParams parameters, CancellationToken cancellationToken = default)
    {
        CheckLength(parameters);
        var entry = EntryOf(Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(parameters.Key.AsSpan()))));
        try
        {
            return entry.Compiled(() =>
            {
                var work = new WorkBudget(cancellationToken);
                return new CompiledConstraint(GrammarOf(parameters, work), _vocabulary.Value, work);
            });
        }
        finally
        {
            Trim();
        }
    }

    private Entry EntryOf(string key)
    {
        lock (_lock)
        {
            if (_known.TryGetValue(key, out var known)) _recent.Remove(known);
            else _known.Add(key, known = new(new Entry(key)));
            _recent.AddFirst(known);
            return known.Value;
        }
    }

    // The one that was asked for last stays, whatever it takes: its request is about to use it.
    private void Trim()
    {
        lock (_lock)
            for (var bytes = _recent.Sum(e => e.Bytes); _recent.Count > 1 && (bytes > _keptBytes || _recent.Count > MostKept); _recent.RemoveLast())
            {
                var oldest = _recent.Last!.Value;
                bytes -= oldest.Bytes;
                _known.Remove(oldest.Key);
            }
    }

    // Before anything is made of the text.
    private static void CheckLength(StructuredOutputsParams p)
    {
        var length = (p.Json?.Length ?? 0L) + (p.Regex?.Length ?? 0) + (p.Grammar?.Length ?? 0) + (p.WhitespacePattern?.Length ?? 0) + (p.Choice?.Sum(c => (long?)c?.Length ?? 0) ?? 0);
        if (length > Limits.TextLength) throw new StructuredOutputException($"The structured output constraint has {length} characters, and {Limits.TextLength} at most are allowed.");
    }

    /// <summary>The one form that all constraints are brought into.</summary>
    internal static Grammar GrammarOf(StructuredOutputsParams parameters, WorkBudget work)
    {
        parameters.Validate();
        if (parameters.Regex is { } regex) return Grammar.Of(RegexParser.Parse(regex, work));
        if (parameters.Choice is { } choice) return Grammar.Of(Expr.Alt([.. choice.Select(Expr.Text)]));
        if (parameters.Grammar is { } grammar) return LarkParser.IsLark(grammar) ? LarkParser.Parse(grammar, work) : GbnfParser.Parse(grammar, work);
        var layout = new JsonLayout(parameters.DisableAnyWhitespace, parameters.WhitespacePattern, work);
        return SchemaCompiler.Compile(parameters.Json ?? "{\"type\": \"object\"}", layout, work);
    }

    /// <summary>A constraint under its key. The first who asks compiles it, and the others wait; if that one goes, the next takes over.</summary>
    private sealed class Entry(string key)
    {
        private readonly Lock _compiling = new();
        private volatile CompiledConstraint? _constraint;
        private string? _failure;

        public string Key => key;

        public long Bytes => 1000 + (_constraint?.Bytes ?? 0);

        public CompiledConstraint Compiled(Func<CompiledConstraint> compile)
        {
            if (_constraint is { } ready) return ready;
            lock (_compiling)
            {
                if (_failure is not null) throw new StructuredOutputException(_failure);
                try
                {
                    return _constraint ??= compile();
                }
                catch (StructuredOutputException e)
                {
                    _failure = e.Message;
                    throw;
                }
            }
        }
    }
}
