namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// A deterministic automaton over characters, for what expressions cannot say: both of two conditions, and not a condition. State 0 is the
/// start; a character without an edge is refused.
/// </summary>
internal sealed class CharDfa
{
    // Two automata that part at once still take what it needs to look at them together.
    private const int StepsToBegin = 16;

    private readonly List<Edge[]> _edges = [];
    private readonly List<bool> _accepts = [];

    /// <summary>An edge for a range of characters; those of a state are sorted and do not overlap.</summary>
    public readonly record struct Edge(int Low, int High, int Target);

    public int States => _edges.Count;

    public ReadOnlySpan<Edge> EdgesOf(int state) => _edges[state];

    public bool Accepts(int state) => _accepts[state];

    /// <summary>The automaton of an expression without rules.</summary>
    public static CharDfa Of(Expr expr, WorkBudget work) => new CharNfa(expr, work).Determinize();

    /// <summary>Texts of so many characters.</summary>
    public static CharDfa OfLength(int min, int? max, WorkBudget work) => Of(Expr.Repeat(Expr.AnyChar, min, max), work);

    public int Add(bool accepts)
    {
        if (States == Limits.DfaStates) throw Limits.TooLarge($"{Limits.DfaStates} states in an intersection or complement of patterns");
        _edges.Add([]);
        _accepts.Add(accepts);
        return States - 1;
    }

    public void Connect(int state, Edge[] edges) => _edges[state] = edges;

    public bool Matches(string text, WorkBudget work)
    {
        work.Charge(text.Length + 1);
        var state = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            state = Step(state, rune.Value);
            if (state < 0) return false;
        }
        return Accepts(state);
    }

    /// <summary>Texts that both accept.</summary>
    public CharDfa Intersect(CharDfa other, WorkBudget work)
    {
        var result = new CharDfa();
        var numbers = new Dictionary<(int, int), int>();
        var pending = new Queue<(int, int)>();
        work.Charge(StepsToBegin);
        Number(0, 0);
        while (pending.TryDequeue(out var pair))
        {
            var (left, right) = (_edges[pair.Item1], other._edges[pair.Item2]);
            var edges = new List<Edge>();
            for (int i = 0, j = 0; i < left.Length && j < right.Length;)
            {
                work.Charge(1);
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
            work.Charge(1);
            numbers.Add((a, b), number = result.Add(Accepts(a) && other.Accepts(b)));
            pending.Enqueue((a, b));
            return number;
        }
    }

    /// <summary>Texts that it refuses.</summary>
    public CharDfa Complement(WorkBudget work)
    {
        var result = new CharDfa();
        for (var state = 0; state < States; state++) result.Add(!Accepts(state));
        var rest = result.Add(true);
        result.Connect(rest, [new Edge(0, CodePointSet.Last, rest)]);
        for (var state = 0; state < States; state++)
        {
            work.Charge(_edges[state].Length + 1);
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
        var edges = _edges[state];
        var (low, high) = (0, edges.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (edges[middle].High < point) low = middle + 1;
            else high = middle;
        }
        return low < edges.Length && edges[low].Low <= point ? edges[low].Target : -1;
    }
}
