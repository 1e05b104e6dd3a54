using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <summary>
/// Follows a grammar byte by byte. A place in the output is the set of all stacks of rules that the bytes so far allow
/// (<see cref="StackNode"/>), and steps are found when they are first needed and kept: on a regular language it is a lazily built
/// deterministic automaton. Each step is linear in the grammar and in the stacks, whatever its ambiguity. Safe for several threads: what is
/// known is read without a lock, and one step at a time is found out.
/// </summary>
internal sealed partial class StackAutomaton
{
    private const int MaxNodes = 1 << 16;

    // An object with two arrays, its entry in the set of all, and in time one for a union.
    private const int BytesOfNode = 200;

    // To look at an edge is the least of the work.
    private const int EdgesOfStep = 8;

    private readonly StateGraph _graph;
    private readonly int[] _ranks;
    private readonly bool[] _nullable;
    private readonly bool[] _returns;
    private readonly HashSet<StackNode> _nodes = new(StackNode.Comparer.Instance);
    private readonly Dictionary<(int, int), StackNode> _unions = [];
    private readonly StackNode _bottom;
    private readonly Seeds _seeds;
    private int _nextId = 2;
    private readonly Lock _lock = new();
    private MatchBudget _budget = new();
    private long _bytes;

    public StackAutomaton(Grammar grammar, WorkBudget work)
    {
        _graph = GraphBuilder.Build(grammar, work);
        GraphFacts.Trim(_graph);
        _ranks = LeftRecursion.Remove(_graph, work);
        _graph.TrimExcess();
        work.Charge(_graph.States);
        _nullable = GraphFacts.Nullable(_graph);
        _returns = [.. Enumerable.Range(0, _graph.States).Select(OnlyReturns)];
        _bottom = new StackNode(0, [], [], isEnd: true);
        Dead = new StackNode(1, [], [], isEnd: false);
        (Classes, ClassOf) = FindClasses();
        _seeds = new Seeds(this);
        Start = FindStart();
    }

    /// <summary>The place before the first byte.</summary>
    public StackNode Start { get; }

    /// <summary>The place after bytes that no text starts with.</summary>
    public StackNode Dead { get; }

    /// <summary>Places and stacks that are kept.</summary>
    public int Kept => _nodes.Count;

    /// <summary>About what it takes to keep them, and the grammar.</summary>
    public long Bytes => _graph.Bytes + (_graph.States * 3L) + Interlocked.Read(ref _bytes);

    /// <summary>Classes of bytes that no state tells apart.</summary>
    public int Classes { get; }

    public byte[] ClassOf { get; }

    /// <summary>Where a byte leads.</summary>
    public StackNode Step(StackNode node, byte value, MatchBudget budget)
    {
        var next = node.Next;
        return (next is null ? null : next[ClassOf[value]]) ?? FindStep(node, value, budget);
    }

    /// <exception cref="StructuredOutputException">The grammar is so ambiguous here that the step takes too long.</exception>
    public StackNode FindStep(StackNode node, byte value, MatchBudget budget)
    {
        lock (_lock)
        {
            _budget = budget;
            if (_nodes.Count > MaxNodes || _bytes > Limits.PlaceBytes) GiveUp();
            return FindStep(node, value);
        }
    }

    /// <summary>Adds what a token brings.</summary>
    public void Refill(MatchBudget budget)
    {
        lock (_lock) budget.Refill();
    }

    // What is known of places is found again where it is needed.
    private void GiveUp()
    {
        foreach (var node in _nodes) (node.Next, node.AfterPlain) = (null, null);
        _nodes.Clear();
        _unions.Clear();
        _bytes = 0;
    }

    private StackNode FindStep(StackNode node, byte value)
    {
        var next = node.Next ??= Outline(node);
        var kind = ClassOf[value];
        if (next[kind] is { } known) return known;
        _seeds.Clear();

        // All bytes around this one that the same edges read lead to the same place.
        var (low, high) = (0, 255);
        var edges = 0;
        for (var i = 0; i < node.States.Length; i++)
            for (var edge = _graph.FirstEdge(node.States[i]); edge >= 0; edge = _graph[edge].Next)
            {
                ref readonly var e = ref _graph[edge];
                edges++;
                if (e.Kind != EdgeKind.Byte) continue;
                if (value < e.Low) high = Math.Min(high, e.Low - 1);
                else if (value > e.High) low = Math.Max(low, e.High + 1);
                else
                {
                    (low, high) = (Math.Max(low, e.Low), Math.Min(high, e.High));
                    _seeds.Add(e.Target, node.Below[i]);
                }
            }
        Work(1 + (edges / EdgesOfStep));
        var result = _seeds.Settle();
        next.AsSpan(ClassOf[low]..(ClassOf[high] + 1)).Fill(result);
        return result;
    }

    // Most bytes lead nowhere: these are found in one pass over the edges.
    private StackNode?[] Outline(StackNode node)
    {
        var next = new StackNode?[Classes];
        Array.Fill(next, Dead);
        _bytes += 32 + ((long)Classes * IntPtr.Size);
        var edges = Classes;
        foreach (var state in node.States)
            for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
            {
                ref readonly var e = ref _graph[edge];
                edges++;
                if (e.Kind == EdgeKind.Byte) next.AsSpan(ClassOf[e.Low]..(ClassOf[e.High] + 1)).Clear();
            }
        Work(1 + (edges / EdgesOfStep));
        return next;
    }

    private void Work(int steps) => _budget.Charge(steps);

    private StackNode FindStart()
    {
        _seeds.Clear();
        _seeds.Begin(_graph.Root, _bottom);
        return _seeds.Settle();
    }

    // A call with nothing behind it but the end of its rule leaves nothing on the stack: lists written by recursion stay flat.
    private bool OnlyReturns(int state)
    {
        if (!_graph.Accepts(state)) return false;
        for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
            if (_graph[edge].Kind != EdgeKind.Gone) return false;
        return true;
    }

    private StackNode Intern(int[] states, StackNode[] below, bool isEnd)
    {
        Work(states.Length + 1);
        if (states.Length == 0) return isEnd ? _bottom : Dead;
        var node = new StackNode(_nextId, states, below, isEnd);
        if (_nodes.TryGetValue(node, out var known)) return known;
        if (_nodes.Count > MaxNodes * 8) Work(Limits.MatchWork + 1);
        _nextId++;
        _nodes.Add(node);
        _bytes += BytesOfNode + (states.Length * (sizeof(int) + IntPtr.Size));
        return node;
    }

    private StackNode Union(StackNode a, StackNode b)
    {
        if (a == b || b.IsDead) return a;
        if (a.IsDead) return b;
        var key = a.Id < b.Id ? (a.Id, b.Id) : (b.Id, a.Id);
        if (_unions.TryGetValue(key, out var known)) return known;
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) Work(Limits.MatchWork + 1);
        var states = new List<int>(a.States.Length + b.States.Length);
        var below = new List<StackNode>(states.Capacity);
        for (int i = 0, j = 0; i < a.States.Length || j < b.States.Length;)
        {
            var left = i < a.States.Length ? a.States[i] : int.MaxValue;
            var right = j < b.States.Length ? b.States[j] : int.MaxValue;
            states.Add(Math.Min(left, right));
            below.Add(left == right ? Union(a.Below[i], b.Below[j]) : left < right ? a.Below[i] : b.Below[j]);
            if (left <= right) i++;
            if (right <= left) j++;
        }
        var union = Intern([.. states], [.. below], a.IsEnd || b.IsEnd);
        if (_unions.Count >= MaxNodes * 2) _unions.Clear();
        _unions[key] = union;
        return union;
    }

    /// <summary>The union of many sets at once: one by one it would be quadratic in their number.</summary>
    private StackNode Union(List<StackNode> nodes)
    {
        if (nodes.Count <= 2) return nodes.Count == 0 ? Dead : Union(nodes[0], nodes[^1]);
        var merged = new Dictionary<int, Meeting>();
        var isEnd = false;
        foreach (var node in nodes)
        {
            isEnd |= node.IsEnd;
            Work(node.States.Length + 1);
            for (var i = 0; i < node.States.Length; i++) CollectionsMarshal.GetValueRefOrAddDefault(merged, node.States[i], out _).Add(node.Below[i]);
        }
        int[] states = [.. merged.Keys];
        Array.Sort(states);
        var united = new StackNode[states.Length];
        for (var i = 0; i < united.Length; i++) united[i] = Union(merged[states[i]]);
        return Intern(states, united, isEnd);
    }

    private StackNode Union(Meeting meeting) => meeting.Several is { } several ? Union(several) : meeting.Only!;

    /// <summary>Stacks that come to the same place; as a rule it is one.</summary>
    private struct Meeting
    {
        public StackNode? Only { get; private set; }

        public List<StackNode>? Several { get; private set; }

        public void Add(StackNode node)
        {
            if (Only is null) Only = node;
            else if (Several is not null && Several[^1] != node) Several.Add(node);
            else if (Several is null && Only != node) Several = [Only, node];
        }
    }

    private (int Count, byte[] ClassOf) FindClasses()
    {
        var starts = new bool[257];
        for (var state = 0; state < _graph.States; state++)
            for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
            {
                if (_graph[edge].Kind != EdgeKind.Byte) continue;
                starts[_graph[edge].Low] = true;
                starts[_graph[edge].High + 1] = true;
            }
        var classOf = new byte[256];
        var current = 0;
        for (var b = 1; b < 256; b++) classOf[b] = (byte)(starts[b] ? ++current : current);
        return (current + 1, classOf);
    }
}
