using System.Text;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// A deterministic automaton over characters, for what expressions cannot say: both of two conditions, and not a condition. State 0 is the
/// start; a character without an edge is refused.
/// </summary>
internal sealed class CharDfa
{
    private readonly List<Edge[]> _edges = [];
    private readonly List<bool> _accepts = [];

    /// <summary>An edge for a range of characters; those of a state are sorted and do not overlap.</summary>
    public readonly record struct Edge(int Low, int High, int Target);

    public int States => _edges.Count;

    public ReadOnlySpan<Edge> EdgesOf(int state) => _edges[state];

    public bool Accepts(int state) => _accepts[state];

    /// <summary>The automaton of an expression without rules.</summary>
    public static CharDfa Of(Expr expr) => new CharNfa(expr).Determinize();

    /// <summary>Texts of so many characters.</summary>
    public static CharDfa OfLength(int min, int? max) => Of(Expr.Repeat(Expr.AnyChar, min, max));

    public int Add(bool accepts)
    {
        if (States == Limits.DfaStates) throw Limits.TooLarge($"{Limits.DfaStates} states in an intersection or complement of patterns");
        _edges.Add([]);
        _accepts.Add(accepts);
        return States - 1;
    }

    public void Connect(int state, Edge[] edges) => _edges[state] = edges;

    public bool Matches(string text)
    {
        var state = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            state = Step(state, rune.Value);
            if (state < 0) return false;
        }
        return Accepts(state);
    }

    /// <summary>Texts that both accept.</summary>
    public CharDfa Intersect(CharDfa other)
    {
        var result = new CharDfa();
        var numbers = new Dictionary<(int, int), int>();
        var pending = new Queue<(int, int)>();
        var work = 0;
        Number(0, 0);
        while (pending.TryDequeue(out var pair))
        {
            var (left, right) = (_edges[pair.Item1], other._edges[pair.Item2]);
            var edges = new List<Edge>();
            for (int i = 0, j = 0; i < left.Length && j < right.Length;)
            {
                if (++work > Limits.DfaWork) throw Limits.TooLarge("its share of steps in an intersection of patterns");
                var (low, high) = (Math.Max(left[i].Low, right[j].Low), Math.Min(left[i].High, right[j].High));
                if (low <= high) edges.Add(new Edge(low, high, Number(left[i].Target, right[j].Target)));
                if (left[i].High < right[j].High) i++;
                else j++;
            }
            result.Connect(numbers[pair], [.. edges]);
        }
        return result;

        int Number(int a, int b)
        {
            if (numbers.TryGetValue((a, b), out var number)) return number;
            numbers.Add((a, b), number = result.Add(Accepts(a) && other.Accepts(b)));
            pending.Enqueue((a, b));
            return number;
        }
    }

    /// <summary>Texts that it refuses.</summary>
    public CharDfa Complement()
    {
        var result = new CharDfa();
        for (var state = 0; state < States; state++) result.Add(!Accepts(state));
        var rest = result.Add(true);
        result.Connect(rest, [new Edge(0, CodePointSet.Last, rest)]);
        for (var state = 0; state < States; state++)
        {
            var edges = new List<Edge>();
            var next = 0;
            foreach (var edge in _edges[state])
            {
                if (edge.Low > next) edges.Add(new Edge(next, edge.Low - 1, rest));
                edges.Add(edge);
                next = edge.High + 1;
            }
            if (next <= CodePointSet.Last) edges.Add(new Edge(next, CodePointSet.Last, rest));
            result.Connect(state, [.. edges]);
        }
        return result;
    }

    /// <summary>Whether it accepts no text.</summary>
    public bool IsEmpty()
    {
        var seen = new bool[States];
        var pending = new Stack<int>();
        pending.Push(0);
        seen[0] = true;
        while (pending.TryPop(out var state))
        {
            if (Accepts(state)) return false;
            foreach (var edge in _edges[state])
            {
                if (seen[edge.Target]) continue;
                seen[edge.Target] = true;
                pending.Push(edge.Target);
            }
        }
        return true;
    }

    private int Step(int state, int point)
    {
        foreach (var edge in _edges[state])
            if (point >= edge.Low && point <= edge.High) return edge.Target;
        return -1;
    }
}

/// <summary>The nondeterministic automaton of an expression, on its way to a <see cref="CharDfa"/>.</summary>
internal sealed class CharNfa
{
    private readonly List<List<(int Low, int High, int Target)>> _edges = [];
    private readonly List<List<int>> _silent = [];
    private readonly int _start, _end;
    private int _work;

    public CharNfa(Expr expr)
    {
        (_start, _end) = (NewState(), NewState());
        Build(expr, _start, _end);
    }

    public CharDfa Determinize()
    {
        var result = new CharDfa();
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var pending = new Queue<(int Number, int[] Members)>();
        Number([_start]);
        while (pending.TryDequeue(out var item))
        {
            var outgoing = item.Members.SelectMany(m => _edges[m]).ToArray();
            var bounds = outgoing.SelectMany(e => new[] { e.Low, e.High + 1 }).Distinct().Order().ToArray();
            var edges = new List<CharDfa.Edge>(bounds.Length);
            for (var i = 0; i + 1 < bounds.Length; i++)
            {
                Work(outgoing.Length);
                var targets = new HashSet<int>();
                foreach (var (low, high, target) in outgoing)
                    if (low <= bounds[i] && high >= bounds[i + 1] - 1) targets.Add(target);
                if (targets.Count == 0) continue;
                var number = Number(targets);
                if (edges.Count > 0 && edges[^1].Target == number && edges[^1].High == bounds[i] - 1) edges[^1] = edges[^1] with { High = bounds[i + 1] - 1 };
                else edges.Add(new CharDfa.Edge(bounds[i], bounds[i + 1] - 1, number));
            }
            result.Connect(item.Number, [.. edges]);
        }
        return result;

        int Number(IEnumerable<int> seeds)
        {
            var members = Closure(seeds);
            var key = string.Join(',', members);
            if (numbers.TryGetValue(key, out var number)) return number;
            numbers.Add(key, number = result.Add(members.Contains(_end)));
            pending.Enqueue((number, members));
            return number;
        }
    }

    private int[] Closure(IEnumerable<int> seeds)
    {
        var seen = new HashSet<int>(seeds);
        var stack = new Stack<int>(seen);
        while (stack.TryPop(out var state))
        {
            Work(1);
            foreach (var next in _silent[state])
                if (seen.Add(next)) stack.Push(next);
        }
        return [.. seen.Order()];
    }

    private void Work(int steps)
    {
        if ((_work += steps + 1) > Limits.DfaWork) throw Limits.TooLarge("its share of steps to make a pattern deterministic");
    }

    private int NewState()
    {
        if (_edges.Count == Limits.DfaStates * 4) throw Limits.TooLarge($"{Limits.DfaStates * 4} states in a pattern that is intersected or complemented");
        _edges.Add([]);
        _silent.Add([]);
        return _edges.Count - 1;
    }

    private void Build(Expr expr, int from, int to)
    {
        switch (expr)
        {
            case TextExpr text:
                var at = from;
                foreach (var rune in text.Content.EnumerateRunes())
                {
                    var next = NewState();
                    _edges[at].Add((rune.Value, rune.Value, next));
                    at = next;
                }
                _silent[at].Add(to);
                break;
            case CharExpr c:
                foreach (var (low, high) in c.Set.Ranges) _edges[from].Add((low, high, to));
                break;
            case SeqExpr seq:
                foreach (var item in seq.Items)
                {
                    var next = NewState();
                    Build(item, from, next);
                    from = next;
                }
                _silent[from].Add(to);
                break;
            case AltExpr alt:
                foreach (var option in alt.Items) Build(option, from, to);
                break;
            case RepeatExpr repeat:
                for (var i = 0; i < repeat.Min; i++) from = After(repeat.Item, from);
                if (repeat.Max is null)
                {
                    var loop = NewState();
                    _silent[from].Add(loop);
                    Build(repeat.Item, loop, loop);
                    from = loop;
                }
                else
                    for (var i = repeat.Min; i < repeat.Max; i++)
                    {
                        _silent[from].Add(to);
                        from = After(repeat.Item, from);
                    }
                _silent[from].Add(to);
                break;
            case DfaExpr dfa:
                var states = new int[dfa.Dfa.States];
                for (var i = 0; i < states.Length; i++) states[i] = NewState();
                _silent[from].Add(states[0]);
                for (var i = 0; i < states.Length; i++)
                {
                    foreach (var edge in dfa.Dfa.EdgesOf(i)) _edges[states[i]].Add((edge.Low, edge.High, states[edge.Target]));
                    if (dfa.Dfa.Accepts(i)) _silent[states[i]].Add(to);
                }
                break;
            default:
                throw new InvalidOperationException($"{expr.GetType().Name} has no automaton over characters.");
        }
    }

    private int After(Expr item, int from)
    {
        var next = NewState();
        Build(item, from, next);
        return next;
    }
}
