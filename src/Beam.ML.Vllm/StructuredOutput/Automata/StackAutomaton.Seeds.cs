using System.Runtime.InteropServices;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <content>How a step is found out.</content>
internal sealed partial class StackAutomaton
{
    /// <summary>
    /// States reached by a byte, each with the stacks below it, on the way to the place that they make up. Ends of rules are taken off the
    /// stacks first; then rules are entered, each once, after all that enter it.
    /// </summary>
    private sealed class Seeds(StackAutomaton automaton)
    {
        private readonly StateGraph _graph = automaton._graph;
        private readonly HashSet<(int State, int Below)> _seen = [];
        private readonly Stack<(int State, StackNode Below)> _pending = new();
        private readonly Dictionary<int, Meeting> _reached = [];
        private readonly Dictionary<int, Meeting> _entered = [];
        private readonly PriorityQueue<int, int> _order = new();
        private readonly Dictionary<int, StackNode> _stable = [];
        private readonly HashSet<int> _open = [];
        private readonly Stack<int> _states = new();
        private bool _isEnd;

        public void Clear()
        {
            _seen.Clear();
            _pending.Clear();
            _reached.Clear();
            _entered.Clear();
            _order.Clear();
            _stable.Clear();
            _isEnd = false;
        }

        public void Add(int state, StackNode below)
        {
            if (_seen.Add((state, below.Id))) _pending.Push((state, below));
        }

        public void Begin(int rule, StackNode below)
        {
            if (automaton._nullable[rule]) _isEnd |= below.IsEnd;
            Enter(rule, below);
        }

        public StackNode Settle()
        {
            while (_pending.TryPop(out var item))
            {
                automaton.Work(1);
                var (state, below) = item;
                CollectionsMarshal.GetValueRefOrAddDefault(_reached, state, out _).Add(below);
                if (_graph.Accepts(state))
                {
                    _isEnd |= below.IsEnd;
                    for (var i = 0; i < below.States.Length; i++) Add(below.States[i], below.Below[i]);
                }
                for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
                {
                    ref readonly var e = ref _graph[edge];
                    if (e.Kind == EdgeKind.Silent || (e.Kind == EdgeKind.Call && automaton._nullable[e.Rule])) Add(e.Target, below);
                }
            }
            foreach (var (state, belows) in _reached)
            {
                var below = automaton.Union(belows);
                EnterCalls(state, below);
                if (ReadsBytes(state)) _stable[state] = below;
            }
            while (_order.TryDequeue(out var rule, out _)) Open(rule, automaton.Union(_entered[rule]));
            int[] states = [.. _stable.Keys];
            Array.Sort(states);
            return automaton.Intern(states, Array.ConvertAll(states, state => _stable[state]), _isEnd);
        }

        // From the start of a rule: its ends without a byte were dealt with where it was called.
        private void Open(int rule, StackNode below)
        {
            var start = _graph.Starts[rule];
            _open.Clear();
            _open.Add(start);
            _states.Clear();
            _states.Push(start);
            while (_states.TryPop(out var state))
            {
                automaton.Work(1);
                if (ReadsBytes(state)) _stable[state] = _stable.TryGetValue(state, out var known) ? automaton.Union(known, below) : below;
                EnterCalls(state, below);
                for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
                {
                    ref readonly var e = ref _graph[edge];
                    if ((e.Kind == EdgeKind.Silent || (e.Kind == EdgeKind.Call && automaton._nullable[e.Rule])) && _open.Add(e.Target)) _states.Push(e.Target);
                }
            }
        }

        private void EnterCalls(int state, StackNode below)
        {
            var edges = 0;
            for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
            {
                ref readonly var e = ref _graph[edge];
                edges++;
                if (e.Kind != EdgeKind.Call) continue;
                automaton.Work(1);
                if (automaton._returns[e.Target]) Enter(e.Rule, below);
                else if (below.Depth < Limits.StackDepth) Enter(e.Rule, automaton.Intern([e.Target], [below], isEnd: false));
            }
            automaton.Work(edges / EdgesOfStep);
        }

        private void Enter(int rule, StackNode below)
        {
            ref var meeting = ref CollectionsMarshal.GetValueRefOrAddDefault(_entered, rule, out var known);
            if (!known) _order.Enqueue(rule, automaton._ranks[rule]);
            meeting.Add(below);
        }

        private bool ReadsBytes(int state)
        {
            for (var edge = _graph.FirstEdge(state); edge >= 0; edge = _graph[edge].Next)
                if (_graph[edge].Kind == EdgeKind.Byte) return true;
            return false;
        }
    }
}
