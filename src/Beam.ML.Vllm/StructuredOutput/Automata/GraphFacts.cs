using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <summary>What follows from a graph by fixed points: which rules have the empty text, and which states lead to an end.</summary>
internal static class GraphFacts
{
    /// <summary>For each rule whether it has the empty text.</summary>
    public static bool[] Nullable(StateGraph graph) => Reach(graph, silentOnly: true).Rules;

    /// <summary>Takes away edges behind which no end lies, so that wherever a text is allowed to go it can be completed.</summary>
    /// <exception cref="StructuredOutputException">The grammar has no text at all.</exception>
    public static void Trim(StateGraph graph)
    {
        var (states, rules) = Reach(graph, silentOnly: false);
        if (!rules[graph.Root]) throw new StructuredOutputException("No text fits the structured output constraint: it contradicts itself, or its rules never come to an end.");
        for (var state = 0; state < graph.States; state++)
            for (var edge = graph.FirstEdge(state); edge >= 0; edge = graph[edge].Next)
                if (!states[graph[edge].Target] || (graph[edge].Kind == EdgeKind.Call && !rules[graph[edge].Rule])) graph[edge].Kind = EdgeKind.Gone;
    }

    // From which states an end of the rule can be reached, backwards from the ends; a call counts once its rule is known to have a text.
    private static (bool[] States, bool[] Rules) Reach(StateGraph graph, bool silentOnly)
    {
        var states = new bool[graph.States];
        var rules = new bool[graph.Starts.Count];
        var ruleOfStart = Filled(graph.States);
        for (var rule = 0; rule < graph.Starts.Count; rule++) ruleOfStart[graph.Starts[rule]] = rule;

        // Edges by where they lead, and calls by their rule: lists through the edges' numbers.
        var source = new int[graph.EdgeCount];
        var (incoming, nextIncoming) = (Filled(graph.States), new int[graph.EdgeCount]);
        var (calls, nextCall) = (Filled(graph.Starts.Count), new int[graph.EdgeCount]);
        var pending = new Stack<int>();
        for (var state = 0; state < graph.States; state++)
        {
            if (graph.Accepts(state)) Mark(state);
            for (var edge = graph.FirstEdge(state); edge >= 0; edge = graph[edge].Next)
            {
                ref readonly var e = ref graph[edge];
                if (e.Kind == EdgeKind.Gone || (silentOnly && e.Kind == EdgeKind.Byte)) continue;
                source[edge] = state;
                (nextIncoming[edge], incoming[e.Target]) = (incoming[e.Target], edge);
                if (e.Kind == EdgeKind.Call) (nextCall[edge], calls[e.Rule]) = (calls[e.Rule], edge);
            }
        }
        while (pending.TryPop(out var state))
        {
            for (var edge = incoming[state]; edge >= 0; edge = nextIncoming[edge])
                if (graph[edge].Kind != EdgeKind.Call || rules[graph[edge].Rule]) Mark(source[edge]);
            var started = ruleOfStart[state];
            if (started < 0) continue;
            rules[started] = true;
            for (var edge = calls[started]; edge >= 0; edge = nextCall[edge])
                if (states[graph[edge].Target]) Mark(source[edge]);
        }
        return (states, rules);

        void Mark(int state)
        {
            if (states[state]) return;
            states[state] = true;
            pending.Push(state);
        }

        static int[] Filled(int length)
        {
            var array = new int[length];
            Array.Fill(array, -1);
            return array;
        }
    }
}
