namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <summary>
/// Finds out how many of the characters that JSON writes as themselves (all but quotes, backslashes and control characters) may come next,
/// whichever they are. In a string of JSON without conditions it is any number.
/// </summary>
internal static class PlainText
{
    // A place from which more places than this are reached is not worth the search.
    private const int MaxPlaces = 64;

    // Lead bytes of UTF-8, with the range of the byte that follows and the number of those after it.
    private static readonly (byte Low, byte High, byte SecondLow, byte SecondHigh, int More)[] Leads =
    [
        (0xC2, 0xDF, 0x80, 0xBF, 0), (0xE0, 0xE0, 0xA0, 0xBF, 1), (0xE1, 0xEC, 0x80, 0xBF, 1), (0xED, 0xED, 0x80, 0x9F, 1), (0xEE, 0xEF, 0x80, 0xBF, 1),
        (0xF0, 0xF0, 0x90, 0xBF, 2), (0xF1, 0xF3, 0x80, 0xBF, 2), (0xF4, 0xF4, 0x80, 0x8F, 2),
    ];

    /// <summary>So many characters may come, up to <paramref name="enough"/>; <see cref="int.MaxValue"/> if any number may.</summary>
    public static int Length(StackAutomaton automaton, StackNode node, int enough, MatchBudget budget)
    {
        var seen = new HashSet<StackNode> { node };
        var frontier = new List<StackNode> { node };
        for (var length = 0; length < enough; length++)
        {
            var next = new List<StackNode>();
            foreach (var place in frontier)
            {
                var after = After(automaton, place, budget);
                if (after.Length == 0) return length;
                foreach (var reached in after)
                    if (seen.Add(reached)) next.Add(reached);
            }
            if (next.Count == 0) return int.MaxValue;
            if (next.Count > MaxPlaces) return length + 1;
            frontier = next;
        }
        return enough;
    }

    // The places after each such character; none if one of them is not allowed, or they are too many.
    private static StackNode[] After(StackAutomaton automaton, StackNode node, MatchBudget budget) => node.AfterPlain ??= FindAfter(automaton, node, budget);

    private static StackNode[] FindAfter(StackAutomaton automaton, StackNode node, MatchBudget budget)
    {
        var places = new HashSet<StackNode>();
        var last = -1;
        for (var b = 0x20; b < 0x80; b++)
        {
            if (b is '"' or '\\' || automaton.ClassOf[b] == last) continue;
            last = automaton.ClassOf[b];
            if (!Take(automaton.Step(node, (byte)b, budget))) return [];
        }
        foreach (var lead in Leads)
            foreach (var first in Each(automaton, [node], lead.Low, lead.High, budget))
            {
                var states = Each(automaton, [first], lead.SecondLow, lead.SecondHigh, budget);
                for (var i = 0; i < lead.More; i++) states = Each(automaton, states, 0x80, 0xBF, budget);
                foreach (var place in states)
                    if (!Take(place)) return [];
            }
        return [.. places];

        bool Take(StackNode place)
        {
            if (place.IsDead) return false;
            places.Add(place);
            return places.Count <= MaxPlaces;
        }
    }

    private static HashSet<StackNode> Each(StackAutomaton automaton, IEnumerable<StackNode> nodes, byte low, byte high, MatchBudget budget)
    {
        var result = new HashSet<StackNode>();
        foreach (var node in nodes)
        {
            var last = -1;
            for (int b = low; b <= high; b++)
            {
                if (automaton.ClassOf[b] == last) continue;
                last = automaton.ClassOf[b];
                result.Add(automaton.Step(node, (byte)b, budget));
            }
        }
        return result;
    }
}
