using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Automata;

internal enum EdgeKind : byte
{
    /// <summary>Taken away: nothing that fits lies behind it.</summary>
    Gone,

    /// <summary>Goes on without reading.</summary>
    Silent,

    /// <summary>Reads a byte of a range.</summary>
    Byte,

    /// <summary>Reads a text of a rule.</summary>
    Call,
}

/// <param name="Kind">What it reads.</param>
/// <param name="Low">The lowest byte.</param>
/// <param name="High">The highest byte.</param>
/// <param name="Target">The state behind it.</param>
/// <param name="Rule">The rule that is called.</param>
/// <param name="Next">The next edge of the same state, or -1.</param>
internal record struct Edge(EdgeKind Kind, byte Low, byte High, int Target, int Rule, int Next);

/// <summary>The automata of a grammar's rules: states in one numbering, with edges that read a byte, a rule or nothing.</summary>
internal sealed class StateGraph
{
    private int[] _first = new int[256];
    private bool[] _accepts = new bool[256];
    private Edge[] _edges = new Edge[512];

    public int States { get; private set; }

    /// <summary>All edges that were ever made.</summary>
    public int EdgeCount { get; private set; }

    /// <summary>What it takes to keep it.</summary>
    public long Bytes => (_first.Length * (sizeof(int) + sizeof(bool))) + ((long)_edges.Length * System.Runtime.CompilerServices.Unsafe.SizeOf<Edge>());

    /// <summary>The state in which each rule starts. No edge leads there.</summary>
    public List<int> Starts { get; } = [];

    /// <summary>For errors: what a rule is called.</summary>
    public List<string> Names { get; } = [];

    public int Root { get; set; }

    public int AddState()
    {
        if (States == Limits.States) throw Limits.TooLarge($"{Limits.States} states");
        if (States == _first.Length)
        {
            Array.Resize(ref _first, States * 2);
            Array.Resize(ref _accepts, States * 2);
        }
        _first[States] = -1;
        return States++;
    }

    public int AddRule(string name)
    {
        if (Starts.Count == Limits.Rules) throw Limits.TooLarge($"{Limits.Rules} rules");
        Starts.Add(AddState());
        Names.Add(name);
        return Starts.Count - 1;
    }

    /// <summary>Whether a rule may end in this state.</summary>
    public bool Accepts(int state) => _accepts[state];

    public void SetAccepts(int state) => _accepts[state] = true;

    /// <summary>The first edge of a state, or -1; the others follow by <see cref="Edge.Next"/>.</summary>
    public int FirstEdge(int state) => _first[state];

    public ref Edge this[int edge] => ref _edges[edge];

    public void Silent(int from, int to)
    {
        if (from != to) Add(from, new Edge(EdgeKind.Silent, 0, 0, to, -1, -1));
    }

    public void Byte(int from, byte low, byte high, int to) => Add(from, new Edge(EdgeKind.Byte, low, high, to, -1, -1));

    public void Call(int from, int rule, int to) => Add(from, new Edge(EdgeKind.Call, 0, 0, to, rule, -1));

    public void Add(int from, Edge edge)
    {
        if (EdgeCount == Limits.Edges) throw Limits.TooLarge($"{Limits.Edges} edges");
        if (EdgeCount == _edges.Length) Array.Resize(ref _edges, EdgeCount * 2);
        _edges[EdgeCount] = edge with { Next = _first[from] };
        _first[from] = EdgeCount++;
    }

    /// <summary>Gives back what was taken ahead.</summary>
    public void TrimExcess()
    {
        Array.Resize(ref _first, States);
        Array.Resize(ref _accepts, States);
        Array.Resize(ref _edges, EdgeCount);
    }

    public void ClearEdges(int state) => _first[state] = -1;
}
