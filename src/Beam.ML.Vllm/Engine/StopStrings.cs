namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Finds stop strings in text that arrives in pieces: the automaton of Aho and Corasick. Where it stands after some text says what of the
/// text's end could be the beginning of a stop string, so that each character is looked at once, however many stop strings there are. It
/// does not change, and serves all completions of a request.
/// </summary>
internal sealed class StopStrings
{
    private readonly IReadOnlyList<string> _stops;

    // A state for each beginning of a stop string, the shortest first: state 0 is the empty one, and those that follow on a state by one
    // more character lie side by side, in the order of that character.
    private readonly char[] _label;
    private readonly int[] _firstChild;

    /// <summary>The state of the longest proper end of a state's text that is the beginning of a stop string as well.</summary>
    private readonly int[] _suffix;

    /// <summary>The longest stop string that a state's text ends with; -1 for none.</summary>
    private readonly int[] _match;

    /// <summary>How much of a state's text could yet become a stop string.</summary>
    private readonly int[] _open;

    /// <param name="stops">The stop strings; none is empty.</param>
    public StopStrings(IReadOnlyList<string> stops)
    {
        _stops = [.. stops];
        int[] order = [.. Enumerable.Range(0, _stops.Count).OrderBy(i => _stops[i], StringComparer.Ordinal)];

        // The stop strings that begin with a state's text lie side by side in the order.
        List<(int From, int To, int Depth)> states = [(0, order.Length, 0)];
        List<char> label = ['\0'];
        List<int> parent = [0], firstChild = [], match = [];
        for (var state = 0; state < states.Count; state++)
        {
            var (from, to, depth) = states[state];
            firstChild.Add(states.Count);
            match.Add(-1);

            // Those that end here come first; of equal ones the first of the list.
            for (; from < to && _stops[order[from]].Length == depth; from++) match[state] = match[state] < 0 ? order[from] : match[state];
            while (from < to)
            {
                var (next, end) = (_stops[order[from]][depth], from + 1);
                while (end < to && _stops[order[end]][depth] == next) end++;
                states.Add((from, end, depth + 1));
                label.Add(next);
                parent.Add(state);
                from = end;
            }
        }

        firstChild.Add(states.Count);
        (_label, _firstChild, _match) = ([.. label], [.. firstChild], [.. match]);
        (_suffix, _open) = (new int[states.Count], new int[states.Count]);
        for (var state = 1; state < states.Count; state++)
        {
            // What is shorter is done already.
            var depth = states[state].Depth;
            var suffix = depth > 1 ? Next(_suffix[parent[state]], _label[state]) : 0;
            _suffix[state] = suffix;
            if (_match[state] < 0) _match[state] = _match[suffix];
            _open[state] = _firstChild[state] < _firstChild[state + 1] ? depth : _open[suffix];
        }
    }

    /// <summary>
    /// Goes on through a piece of text, and finds the match that ends in it and begins the earliest (of those that begin together the first
    /// in the list); null if there is none.
    /// </summary>
    /// <param name="piece">The text that follows on what was gone through.</param>
    /// <param name="position">Where in the text the piece begins.</param>
    /// <param name="state">Where the automaton stands; 0 before the first piece.</param>
    /// <returns>Where in the text the match begins, and the stop string.</returns>
    public (int Index, string Stop)? Find(ReadOnlySpan<char> piece, int position, ref int state)
    {
        var (index, found) = (0, -1);
        for (var i = 0; i < piece.Length; i++)
        {
            state = Next(state, piece[i]);

            // A stop string that begins the earliest is the longest of those that end where it ends.
            if (_match[state] is not (>= 0 and var match)) continue;
            var start = position + i + 1 - _stops[match].Length;
            if (found < 0 || start < index || (start == index && match < found)) (index, found) = (start, match);
        }

        return found < 0 ? null : (index, _stops[found]);
    }

    /// <summary>How many characters at the end of the text could be the beginning of a stop string.</summary>
    public int HeldBack(int state) => _open[state];

    private int Next(int state, char c)
    {
        while (true)
        {
            var (first, end) = (_firstChild[state], _firstChild[state + 1]);
            var child = _label.AsSpan(first, end - first).BinarySearch(c);
            if (child >= 0) return first + child;
            if (state == 0) return 0;
            state = _suffix[state];
        }
    }
}
