using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <summary>
/// Rewrites rules that start with themselves, directly or through others, and finds the order of the rest. A call of a rule by its own
/// start (A → A x | y) becomes a way back from its ends: y, then x as often as wanted.
/// </summary>
internal sealed class LeftRecursion
{
    private const int MaxRecursiveRules = 256;
    private const int MaxRewrites = 1 << 14;

    private readonly StateGraph _graph;
    private readonly bool[] _nullable;
    private readonly WorkBudget _work;
    private int _rewrites;

    private LeftRecursion(StateGraph graph, WorkBudget work) => (_graph, _work, _nullable) = (graph, work, GraphFacts.Nullable(graph));

    /// <summary>Returns the rank of each rule: one that another starts with has the higher rank.</summary>
    public static int[] Remove(StateGraph graph, WorkBudget work)
    {
        var self = new LeftRecursion(graph, work);
        var (ranks, cyclic) = self.Order();
        if (cyclic.Count == 0) return ranks;
        if (cyclic.Count > MaxRecursiveRules) throw Limits.TooLarge($"{MaxRecursiveRules} left-recursive rules");
        var before = new HashSet<int>();
        foreach (var rule in cyclic)
        {
            self.Rewrite(rule, before);
            before.Add(rule);
        }
        (ranks, cyclic) = new LeftRecursion(graph, work).Order();
        if (cyclic.Count > 0) throw new StructuredOutputException($"The grammar's rule '{graph.Names[cyclic[0]]}' is left-recursive in a way that is not supported: rewrite it so that it does not start with itself.");
        return ranks;
    }

    // Kahn's algorithm over "starts with"; what is left over, from both ends, is on a cycle or between cycles.
    private (int[] Ranks, List<int> Cyclic) Order()
    {
        var count = _graph.Starts.Count;
        var callees = new List<int>[count];
        var callers = new List<int>[count];
        for (var rule = 0; rule < count; rule++) callers[rule] = [];
        for (var rule = 0; rule < count; rule++)
        {
            callees[rule] = [.. LeftCalls(_graph.Starts[rule]).Distinct()];
            foreach (var callee in callees[rule]) callers[callee].Add(rule);
        }
        var open = callers.Select(c => c.Count).ToArray();
        var ranks = new int[count];
        Array.Fill(ranks, -1);
        var ready = new Queue<int>(Enumerable.Range(0, count).Where(r => open[r] == 0));
        for (var next = 0; ready.TryDequeue(out var rule); next++)
        {
            ranks[rule] = next;
            foreach (var callee in callees[rule])
                if (--open[callee] == 0) ready.Enqueue(callee);
        }
        var left = ranks.Select(rank => rank < 0).ToArray();
        for (var rule = 0; rule < count; rule++) open[rule] = left[rule] ? callees[rule].Count(c => left[c]) : -1;
        ready = new Queue<int>(Enumerable.Range(0, count).Where(r => open[r] == 0));
        while (ready.TryDequeue(out var rule))
        {
            left[rule] = false;
            foreach (var caller in callers[rule])
                if (--open[caller] == 0) ready.Enqueue(caller);
        }
        return (ranks, [.. Enumerable.Range(0, count).Where(r => left[r])]);
    }

    private List<int> LeftCalls(int start)
    {
        var calls = new List<int>();
        var seen = new HashSet<int> { start };
        var stack = new Stack<int>(seen);
        while (stack.TryPop(out var state))
            for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
            {
                ref readonly var e = ref _graph[edge];
                _work.Charge(1);
                if (e.Kind == EdgeKind.Call) calls.Add(e.Rule);
                if ((e.Kind == EdgeKind.Silent || (e.Kind == EdgeKind.Call && _nullable[e.Rule])) && seen.Add(e.Target)) stack.Push(e.Target);
            }
        return calls;
    }

    // Paull's algorithm: first what it starts with of the rules before it is written out, then its calls of itself go.
    private void Rewrite(int rule, HashSet<int> before)
    {
        var start = _graph.Starts[rule];
        var handled = new HashSet<int>();
        while (true)
        {
            Flatten(start);
            var edge = FindEdge(start, e => e.Kind == EdgeKind.Call && e.Rule != rule && (before.Contains(e.Rule) || _nullable[e.Rule]));
            if (edge >= 0)
            {
                Count();
                var call = _graph[edge];
                _graph[edge].Kind = EdgeKind.Gone;
                WriteOut(call.Rule, start, call.Target);
                continue;
            }
            edge = FindEdge(start, e => e.Kind == EdgeKind.Call && e.Rule == rule);
            if (edge < 0) return;
            Count();
            var target = _graph[edge].Target;
            var ends = EndsOf(start);
            _graph[edge].Kind = EdgeKind.Gone;
            if (!handled.Add(target)) continue;
            foreach (var end in ends) _graph.Silent(end, target);
        }
    }

    private void Count()
    {
        if (++_rewrites > MaxRewrites) throw Limits.TooLarge("its share of left recursion");
    }

    /// <summary>Gives a start the edges of all states that it reaches silently, in place of the silent ones.</summary>
    private void Flatten(int start)
    {
        var seen = new HashSet<int> { start };
        var stack = new Stack<int>(seen);
        var edges = new HashSet<Edge>();
        var accepts = false;
        while (stack.TryPop(out var state))
        {
            _work.Charge(1);
            accepts |= _graph.Accepts(state);
            for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
            {
                var e = _graph[edge];
                _work.Charge(1);
                if (e.Kind is EdgeKind.Byte or EdgeKind.Call) edges.Add(e with { Next = -1 });
                else if (e.Kind == EdgeKind.Silent && seen.Add(e.Target)) stack.Push(e.Target);
            }
        }
        _graph.ClearEdges(start);
        foreach (var edge in edges) _graph.Add(start, edge);
        if (accepts) _graph.SetAccepts(start);
    }

    // A copy of another rule's states between two states.
    private void WriteOut(int rule, int from, int to)
    {
        var copies = new Dictionary<int, int>();
        var pending = new Stack<int>();
        var root = Copy(_graph.Starts[rule]);
        _graph.Silent(from, root);
        while (pending.TryPop(out var state))
        {
            if (_graph.Accepts(state)) _graph.Silent(copies[state], to);
            for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
            {
                var e = _graph[edge];
                _work.Charge(1);
                if (e.Kind != EdgeKind.Gone) _graph.Add(copies[state], e with { Target = Copy(e.Target) });
            }
        }

        int Copy(int state)
        {
            if (copies.TryGetValue(state, out var copy)) return copy;
            copies.Add(state, copy = _graph.AddState());
            pending.Push(state);
            return copy;
        }
    }

    private List<int> EndsOf(int start)
    {
        var ends = new List<int>();
        var seen = new HashSet<int> { start };
        var stack = new Stack<int>(seen);
        while (stack.TryPop(out var state))
        {
            _work.Charge(1);
            if (_graph.Accepts(state)) ends.Add(state);
            for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
                if (_graph[edge].Kind != EdgeKind.Gone && seen.Add(_graph[edge].Target)) stack.Push(_graph[edge].Target);
        }
        return ends;
    }

    private int FindEdge(int state, Func<Edge, bool> test)
    {
        for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
            if (test(_graph[edge])) return edge;
        return -1;
    }
}
