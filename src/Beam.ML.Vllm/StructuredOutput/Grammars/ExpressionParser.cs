namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>What the parsers of regular expressions and of grammars have in common: alternatives of sequences, in groups that have alternatives again.</summary>
internal abstract class ExpressionParser(CharacterReader reader, WorkBudget work)
{
    protected CharacterReader Reader => reader;

    protected WorkBudget Work => work;

    /// <summary>How many alternatives within alternatives are being read: 1 outside all groups.</summary>
    protected int Nesting { get; private set; }

    /// <summary>Sequences with bars between them: a whole expression, or what is in a group.</summary>
    protected Expr ReadAlternatives()
    {
        if (++Nesting > Limits.Nesting) throw reader.Error($"groups are nested more than {Limits.Nesting} deep");
        var options = new List<Expr>();
        do options.Add(ReadSequence());
        while (TryTakeBar());
        Nesting--;
        return Expr.Alt(options);
    }

    /// <summary>Reads up to a bar, the end of the group or the end of all.</summary>
    protected abstract Expr ReadSequence();

    /// <summary>Takes the bar before another sequence, if there is one.</summary>
    protected virtual bool TryTakeBar() => reader.TryTake('|');
}
