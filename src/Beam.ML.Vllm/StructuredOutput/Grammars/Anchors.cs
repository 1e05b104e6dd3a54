namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Resolves <c>^</c> and <c>$</c>, which may stand at the ends of a regular expression and of its alternatives only.</summary>
internal static class Anchors
{
    private const int MaxBranches = 4096;

    // Branches share what is behind the alternatives at which they part, and what was before them.
    private sealed record Item(Expr Expr, Item? Next);

    /// <summary>The whole text that the expression matches, or, where it searches, that has a match in it.</summary>
    public static Expr Resolve(Expr expr, bool search, WorkBudget work)
    {
        if (!search && !expr.HasAnchors) return expr;
        var branches = new List<Expr>();
        var pending = new Stack<(Item? Done, Item? Left)>();
        pending.Push((null, new Item(expr, null)));
        while (pending.TryPop(out var branch))
        {
            if (branches.Count + pending.Count > MaxBranches) throw new StructuredOutputException("The regular expression has too many alternatives with ^ or $ in them.");
            if (Open(branch.Done, branch.Left, pending, work) is { } items) branches.Add(Of(items, search));
        }
        branches.Reverse();
        return Expr.Alt(branches);
    }

    // Opens the groups with anchors in them, up to alternatives, which become branches of their own; else all items of this one.
    private static Expr[]? Open(Item? done, Item? rest, Stack<(Item? Done, Item? Left)> pending, WorkBudget work)
    {
        var count = 0;
        for (var item = done; item is not null; item = item.Next) count++;
        while (rest is not null)
        {
            work.Charge(1);
            var (expr, behind) = rest;
            switch (expr)
            {
                case SeqExpr { HasAnchors: true } seq:
                    rest = behind;
                    for (var i = seq.Items.Length - 1; i >= 0; i--) rest = new Item(seq.Items[i], rest);
                    work.Charge(seq.Items.Length);
                    break;
                case AltExpr { HasAnchors: true } alt:
                    foreach (var option in alt.Items) pending.Push((done, new Item(option, behind)));
                    work.Charge(alt.Items.Length);
                    return null;
                default:
                    (done, rest) = (new Item(expr, done), behind);
                    count++;
                    break;
            }
        }
        work.Charge(count);
        var items = new Expr[count];
        for (; done is not null; done = done.Next) items[--count] = done.Expr;
        return items;
    }

    private static Expr Of(Expr[] items, bool search)
    {
        var start = Array.FindIndex(items, i => i is not AnchorExpr { IsStart: true });
        if (start < 0) start = items.Length;
        var end = items.Length;
        while (end > start && items[end - 1] is AnchorExpr { IsStart: false }) end--;
        var middle = items[start..end];
        if (Array.Exists(middle, i => i.HasAnchors)) throw new StructuredOutputException("^ and $ are supported at the start and at the end of a regular expression or of its alternatives only.");
        var before = search && start == 0 ? Expr.Star(Expr.AnyChar) : Expr.Empty;
        var after = search && end == items.Length ? Expr.Star(Expr.AnyChar) : Expr.Empty;
        return Expr.Seq(before, Expr.Seq(middle), after);
    }
}
