using System.Text;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>The one form that every constraint is brought into: an expression over characters, whose leaves may name rules.</summary>
internal abstract class Expr
{
    /// <param name="parts">The expressions that it is made of.</param>
    protected Expr(params ReadOnlySpan<Expr> parts)
    {
        var depth = 0;
        foreach (var part in parts)
        {
            depth = Math.Max(depth, part.Depth);
            HasAnchors |= part.HasAnchors;
        }
        Depth = depth < Limits.ExpressionDepth ? depth + 1 : throw Limits.TooLarge($"{Limits.ExpressionDepth} groups and quantifiers within each other");
    }

    /// <summary>The empty text.</summary>
    public static Expr Empty { get; } = new SeqExpr([]);

    /// <summary>No text at all.</summary>
    public static Expr Never { get; } = new AltExpr([]);

    /// <summary>Any character.</summary>
    public static Expr AnyChar { get; } = new CharExpr(CodePointSet.All);

    /// <summary>About how many states it needs.</summary>
    public abstract int Size { get; }

    /// <summary>How many expressions are within each other, this one counted.</summary>
    public int Depth { get; }

    /// <summary>Whether <c>^</c> or <c>$</c> is in it.</summary>
    public bool HasAnchors { get; protected init; }

    public static Expr Text(string text) => text.Length == 0 ? Empty : new TextExpr(text);

    public static Expr Char(CodePointSet set) => set.IsEmpty ? Never : new CharExpr(set);

    public static Expr Seq(params IReadOnlyList<Expr> items) => items.Count == 1 ? items[0] : new SeqExpr([.. items]);

    public static Expr Alt(params IReadOnlyList<Expr> items) => items.Count == 1 ? items[0] : new AltExpr([.. items]);

    public static Expr Optional(Expr item) => Repeat(item, 0, 1);

    public static Expr Star(Expr item) => Repeat(item, 0, null);

    public static Expr Repeat(Expr item, int min, int? max) => (item, min, max) switch
    {
        (_, 1, 1) => item,
        // Of quantifiers that follow each other (x*?, x?+) the first with what the others add says it all.
        (RepeatExpr { Min: <= 1, Max: null or 1 } inner, <= 1, null or 1) => new RepeatExpr(inner.Item, inner.Min * min, inner.Max is null ? null : max),
        _ => new RepeatExpr(item, min, max),
    };

    /// <summary>The expression with each set of characters written in another way, such as JSON's; of those without rules.</summary>
    public Expr Rewrite(Func<CodePointSet, Expr> write) => this switch
    {
        TextExpr t => Seq([.. t.Content.EnumerateRunes().Select(r => write(CodePointSet.Of(r.Value)))]),
        CharExpr c => write(c.Set),
        SeqExpr s => new SeqExpr([.. s.Items.Select(i => i.Rewrite(write))]),
        AltExpr a => new AltExpr([.. a.Items.Select(i => i.Rewrite(write))]),
        RepeatExpr r => new RepeatExpr(r.Item.Rewrite(write), r.Min, r.Max),
        DfaExpr d => new DfaExpr(d.Dfa, write),
        _ => throw new InvalidOperationException($"{GetType().Name} has no characters to rewrite."),
    };

    protected static int Sum(IEnumerable<Expr> items)
    {
        var sum = 1L;
        foreach (var item in items) sum += item.Size;
        return (int)Math.Min(sum, int.MaxValue / 4);
    }
}

internal sealed class TextExpr(string content) : Expr
{
    public string Content => content;

    public override int Size { get; } = Encoding.UTF8.GetByteCount(content);
}

internal sealed class CharExpr(CodePointSet set) : Expr
{
    public CodePointSet Set => set;

    public override int Size { get; } = set.Ranges[^1].High < 0x80 ? 1 : 8;
}

internal sealed class SeqExpr(Expr[] items) : Expr(items)
{
    public Expr[] Items => items;

    public override int Size { get; } = Sum(items);
}

internal sealed class AltExpr(Expr[] items) : Expr(items)
{
    public Expr[] Items => items;

    public override int Size { get; } = Sum(items);
}

/// <param name="item">What is repeated.</param>
/// <param name="min">At least so often.</param>
/// <param name="max">At most so often; null without a bound.</param>
internal sealed class RepeatExpr(Expr item, int min, int? max) : Expr(item)
{
    public Expr Item => item;

    public int Min => min;

    public int? Max => max;

    public override int Size { get; } = (int)Math.Min((long)item.Size * Math.Max(1, max ?? min + 1), int.MaxValue / 4);
}

/// <summary>A text of another rule.</summary>
internal sealed class RuleExpr(int rule) : Expr
{
    public int Rule => rule;

    public override int Size => 1;
}

/// <summary>The start or the end of the text; there only until <see cref="Anchors"/> has resolved it.</summary>
internal sealed class AnchorExpr : Expr
{
    public AnchorExpr(bool start) => (IsStart, HasAnchors) = (start, true);

    public bool IsStart { get; }

    public override int Size => 0;
}

/// <summary>A text that an automaton over characters accepts, each character written in a way of its own.</summary>
internal sealed class DfaExpr(CharDfa dfa, Func<CodePointSet, Expr> write) : Expr
{
    public CharDfa Dfa => dfa;

    public Func<CodePointSet, Expr> Write => write;

    public override int Size => dfa.States * 4;
}
