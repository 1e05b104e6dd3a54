namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Resolves <c>^</c> and <c>$</c>, which may stand at the ends of a regular expression and of its alternatives only.</summary>
internal static class Anchors
{
    private const int MaxBranches = 4096;

    /// <summary>The whole text that the expression matches, or, where it searches, that has a match in it.</summary>
    public static Expr Resolve(Expr expr, bool search)
    {
        if (!search && !Has(expr)) return expr;
        var branches = new List<Expr>();
        var pending = new Stack<Expr[]>();
        pending.Push([expr]);
        while (pending.TryPop(out var items))
        {
            if (branches.Count + pending.Count > MaxBranches) throw new StructuredOutputException("The regular expression has too many alternatives with ^ or $ in them.");
            if (Split(items, pending)) continue;
            var start = Array.FindIndex(items, i => i is not AnchorExpr { IsStart: true });
            if (start < 0) start = items.Length;
            var end = items.Length;
            while (end > start && items[end - 1] is AnchorExpr { IsStart: false }) end--;
            var middle = items[start..end];
            if (middle.Any(Has)) throw new StructuredOutputException("^ and $ are supported at the start and at the end of a regular expression or of its alternatives only.");
            var before = search && start == 0 ? Expr.Star(Expr.AnyChar) : Expr.Empty;
            var after = search && end == items.Length ? Expr.Star(Expr.AnyChar) : Expr.Empty;
            branches.Add(Expr.Seq(before, Expr.Seq(middle), after));
        }
        branches.Reverse();
        return Expr.Alt(branches);
    }

    // Opens the first item that is a group with anchors in it.
    private static bool Split(Expr[] items, Stack<Expr[]> pending)
    {
        var at = Array.FindIndex(items, i => i is SeqExpr or AltExpr && Has(i));
        if (at < 0) return false;
        if (items[at] is SeqExpr seq) pending.Push([.. items[..at], .. seq.Items, .. items[(at + 1)..]]);
        else
            foreach (var option in ((AltExpr)items[at]).Items) pending.Push([.. items[..at], option, .. items[(at + 1)..]]);
        return true;
    }

    private static bool Has(Expr expr) => expr switch
    {
        AnchorExpr => true,
        SeqExpr s => s.Items.Any(Has),
        AltExpr a => a.Items.Any(Has),
        RepeatExpr r => Has(r.Item),
        _ => false,
    };
}
