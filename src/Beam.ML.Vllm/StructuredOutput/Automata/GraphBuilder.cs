using System.Text;
using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <summary>Turns the expressions of a grammar into a <see cref="StateGraph"/>.</summary>
internal sealed class GraphBuilder
{
    // What is repeated, and larger than this, becomes a rule of its own: a repetition then costs a state for each time, not a copy.
    private const int LargestCopy = 6;

    private readonly Grammar _grammar;
    private readonly WorkBudget _work;
    private readonly StateGraph _graph = new();
    private readonly Dictionary<Expr, int> _extracted = new(ReferenceEqualityComparer.Instance);
    private readonly Queue<(int Rule, Expr Body)> _pending = new();

    private GraphBuilder(Grammar grammar, WorkBudget work) => (_grammar, _work) = (grammar, work);

    public static StateGraph Build(Grammar grammar, WorkBudget work)
    {
        var builder = new GraphBuilder(grammar, work);
        for (var rule = 0; rule < grammar.Count; rule++) builder._graph.AddRule(grammar.NameOf(rule));
        for (var rule = 0; rule < grammar.Count; rule++) builder.BuildRule(rule, grammar.BodyOf(rule));
        while (builder._pending.TryDequeue(out var item)) builder.BuildRule(item.Rule, item.Body);
        builder._graph.Root = grammar.Root;
        return builder._graph;
    }

    private void BuildRule(int rule, Expr body)
    {
        var end = _graph.AddState();
        _graph.SetAccepts(end);
        Build(body, _graph.Starts[rule], end);
    }

    private void Build(Expr expr, int from, int to)
    {
        _work.Charge(1);
        switch (expr)
        {
            case TextExpr text:
                _work.Charge(text.Content.Length);
                Bytes(Encoding.UTF8.GetBytes(text.Content), from, to);
                break;
            case CharExpr c:
                Characters(c.Set, from, to);
                break;
            case SeqExpr seq:
                for (var i = 0; i < seq.Items.Length; i++)
                {
                    var next = i == seq.Items.Length - 1 ? to : _graph.AddState();
                    Build(seq.Items[i], from, next);
                    from = next;
                }
                if (seq.Items.Length == 0) _graph.Silent(from, to);
                break;
            case AltExpr alt:
                Alternatives(alt.Items, from, to);
                break;
            case RepeatExpr repeat:
                Repetition(repeat, from, to);
                break;
            case RuleExpr rule:
                _graph.Call(from, rule.Rule, to);
                break;
            case DfaExpr dfa:
                Automaton(dfa, from, to);
                break;
            default:
                throw new InvalidOperationException($"{expr.GetType().Name} has no automaton.");
        }
    }

    private void Bytes(ReadOnlySpan<byte> bytes, int from, int to)
    {
        if (bytes.IsEmpty) _graph.Silent(from, to);
        for (var i = 0; i < bytes.Length; i++)
        {
            var next = i == bytes.Length - 1 ? to : _graph.AddState();
            _graph.Byte(from, bytes[i], bytes[i], next);
            from = next;
        }
    }

    // Sequences with the same first ranges share a state behind them, and so do those with the same last ones.
    private void Characters(CodePointSet set, int from, int to)
    {
        if (set.Ranges[^1].High < 0x80)
        {
            _work.Charge(set.Ranges.Length);
            foreach (var (low, high) in set.Ranges) _graph.Byte(from, (byte)low, (byte)high, to);
            return;
        }
        var tails = new Dictionary<string, int>(StringComparer.Ordinal);
        var all = Utf8Sequences.Of(set);
        _work.Charge(all.Count);
        Group([.. all], 0, from);

        void Group((byte Low, byte High)[][] sequences, int place, int state)
        {
            for (var i = 0; i < sequences.Length;)
            {
                var range = sequences[i][place];
                var end = i;
                while (end < sequences.Length && sequences[end][place] == range) end++;
                var part = sequences[i..end];
                i = end;
                if (part[0].Length == place + 1)
                {
                    _graph.Byte(state, range.Low, range.High, to);
                    continue;
                }
                var key = string.Concat(part.Select(s => string.Join(',', s.Skip(place + 1)) + ";"));
                if (!tails.TryGetValue(key, out var next))
                {
                    tails.Add(key, next = _graph.AddState());
                    Group(part, place + 1, next);
                }
                _graph.Byte(state, range.Low, range.High, next);
            }
        }
    }

    // What alternatives start with becomes a trie, so that a long list of them is as good as one.
    private void Alternatives(Expr[] options, int from, int to)
    {
        Dictionary<(int, byte), int>? trie = null;
        foreach (var option in options)
        {
            var parts = new List<Expr>();
            Spread(option, parts);
            if (options.Length < 4 || parts is not [TextExpr text, ..])
            {
                Build(option, from, to);
                continue;
            }
            trie ??= [];
            _work.Charge(text.Content.Length + parts.Count);
            var state = from;
            foreach (var b in Encoding.UTF8.GetBytes(text.Content))
            {
                if (!trie.TryGetValue((state, b), out var next))
                {
                    trie.Add((state, b), next = _graph.AddState());
                    _graph.Byte(state, b, b, next);
                }
                state = next;
            }
            Build(new SeqExpr([.. parts.Skip(1)]), state, to);
        }
    }

    // The items of a sequence, those of sequences at its head too.
    private static void Spread(Expr expr, List<Expr> parts)
    {
        if (expr is not SeqExpr seq)
        {
            parts.Add(expr);
            return;
        }
        for (var i = 0; i < seq.Items.Length; i++)
            if (parts.Count == 0) Spread(seq.Items[i], parts);
            else parts.Add(seq.Items[i]);
    }

    private void Repetition(RepeatExpr repeat, int from, int to)
    {
        if (repeat.Max == 0)
        {
            _graph.Silent(from, to);
            return;
        }
        var copies = repeat.Max ?? repeat.Min + 1;
        var item = copies > 1 && repeat.Item.Size > LargestCopy ? Extract(repeat.Item) : repeat.Item;
        for (var i = 0; i < repeat.Min; i++) from = After(item, from);
        if (repeat.Max is { } max)
            for (var i = repeat.Min; i < max; i++)
            {
                _graph.Silent(from, to);
                from = After(item, from);
            }
        else
        {
            var loop = _graph.AddState();
            _graph.Silent(from, loop);
            Build(item, loop, loop);
            from = loop;
        }
        _graph.Silent(from, to);
    }

    private int After(Expr item, int from)
    {
        var next = _graph.AddState();
        Build(item, from, next);
        return next;
    }

    private RuleExpr Extract(Expr item)
    {
        if (!_extracted.TryGetValue(item, out var rule))
        {
            _extracted.Add(item, rule = _graph.AddRule("a repeated part"));
            _pending.Enqueue((rule, item));
        }
        return new RuleExpr(rule);
    }

    private void Automaton(DfaExpr expr, int from, int to)
    {
        var dfa = expr.Dfa;
        var states = new int[dfa.States];
        for (var i = 0; i < states.Length; i++) states[i] = _graph.AddState();
        _graph.Silent(from, states[0]);
        for (var i = 0; i < states.Length; i++)
        {
            var edges = dfa.EdgesOf(i).ToArray();
            _work.Charge(edges.Length);
            foreach (var group in edges.GroupBy(e => e.Target))
                Build(expr.Write(CodePointSet.Of(group.Select(e => (e.Low, e.High)))), states[i], states[group.Key]);
            if (dfa.Accepts(i)) _graph.Silent(states[i], to);
        }
    }
}
