using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>The white space between the parts of JSON: free within bounds by default, or as Python's <c>json.dumps</c> writes it, or of a given form.</summary>
internal sealed class JsonLayout
{
    // Enough for a line break and the indentation of any sensible depth. Without a bound a model can go on with blanks for ever.
    private const int MostBlanks = 64;

    private readonly Expr _blanks;

    public JsonLayout(bool asDumps, string? pattern, WorkBudget work)
    {
        _blanks = pattern is not null ? RegexParser.Parse(pattern, work)
            : asDumps ? Expr.Empty
            : Expr.Repeat(Expr.Char(CodePointSet.Of((9, 10), (13, 13), (' ', ' '))), 0, MostBlanks);
        IsCompact = pattern is null && asDumps;
    }

    /// <summary>Within brackets.</summary>
    public Expr Blanks { get; private set; } = Expr.Empty;

    public Expr Comma { get; private set; } = Expr.Empty;

    public Expr Colon { get; private set; } = Expr.Empty;

    private bool IsCompact { get; }

    /// <summary>Puts the blanks into a grammar as a rule.</summary>
    public void Bind(Grammar grammar)
    {
        Blanks = IsCompact ? Expr.Empty : grammar.Add("white space", _blanks);
        Comma = IsCompact ? Expr.Text(", ") : Expr.Seq(Blanks, Expr.Text(","), Blanks);
        Colon = IsCompact ? Expr.Text(": ") : Expr.Seq(Blanks, Expr.Text(":"), Blanks);
    }
}
