using System.Runtime.InteropServices;
using System.Text;

namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>The nondeterministic automaton of an expression, on its way to a <see cref="CharDfa"/>.</summary>
internal sealed class CharNfa
{
    private readonly List<List<(int Low, int High, int Target)>> _edges = [];
    private readonly List<List<int>> _silent = [];
    private readonly WorkBudget _work;
    private readonly int _start, _end;

    public CharNfa(Expr expr, WorkBudget work)
    {
        _work = work;
        (_start, _end) = (NewState(), NewState());
        Build(expr, _start, _end);
    }

    public CharDfa Determinize()
    {
        var result = new CharDfa();
        var numbers = new Dictionary<int[], int>(MemberComparer.Instance);
        var pending = new Queue<(int Number, int[] Members)>();
        Number([_start]);
        while (pending.TryDequeue(out var item))
        {
            // Between two bounds lie characters that no edge tells apart; those that are open there are swept along.
            var outgoing = item.Members.SelectMany(m => _edges[m]).OrderBy(e => e.Low).ToArray();
            var bounds = outgoing.SelectMany(e => new[] { e.Low, e.High + 1 }).Distinct().Order().ToArray();
            _work.Charge(outgoing.Length + item.Members.Length);
            var edges = new List<CharDfa.Edge>(bounds.Length);
            var open = new List<(int Low, int High, int Target)>();
            var seen = new Dictionary<int[], int>(MemberComparer.Instance);
            for (var (i, begun) = (0, 0); i + 1 < bounds.Length; i++)
            {
                open.RemoveAll(e => e.High < bounds[i]);
                while (begun < outgoing.Length && outgoing[begun].Low <= bounds[i]) open.Add(outgoing[begun++]);
                _work.Charge(open.Count + 1);
                if (open.Count == 0) continue;
                int[] targets = [.. open.Select(e => e.Target)];
                if (!seen.TryGetValue(targets, out var number)) seen.Add(targets, number = Number(targets));
                if (edges.Count > 0 && edges[^1].Target == number && edges[^1].High == bounds[i] - 1) edges[^1] = edges[^1] with { High = bounds[i + 1] - 1 };
                else edges.Add(new CharDfa.Edge(bounds[i], bounds[i + 1] - 1, number));
            }
            result.Connect(item.Number, [.. edges]);
        }
        return result;

        int Number(IEnumerable<int> seeds)
        {
            var members = Closure(seeds);
            if (numbers.TryGetValue(members, out var number)) return number;
            numbers.Add(members, number = result.Add(members.Contains(_end)));
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
            _work.Charge(_silent[state].Count + 2);
            foreach (var next in _silent[state])
                if (seen.Add(next)) stack.Push(next);
        }
        return [.. seen.Order()];
    }

    private int NewState()
    {
        if (_edges.Count == Limits.DfaStates * 4) throw Limits.TooLarge($"{Limits.DfaStates * 4} states in a pattern that is intersected or complemented");
        _work.Charge(1);
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
                _work.Charge(c.Set.Ranges.Length);
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
                    _work.Charge(dfa.Dfa.EdgesOf(i).Length);
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

    // Sets of states by their members, which are sorted.
    private sealed class MemberComparer : IEqualityComparer<int[]>
    {
        public static MemberComparer Instance { get; } = new();

        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] obj)
        {
            var hash = new HashCode();
            hash.AddBytes(MemoryMarshal.AsBytes(obj.AsSpan()));
            return hash.ToHashCode();
        }
    }
}
