using Beam.ML.Vllm.StructuredOutput.Automata;
using Beam.ML.Vllm.StructuredOutput.Grammars;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;

namespace Beam.ML.Vllm.StructuredOutput;

/// <summary>
/// A constraint ready for use with one vocabulary. Requests share it, from any thread: what one finds out about a place in the output serves
/// all that come there. Two at the same place find it out once; others do not wait for them.
/// </summary>
internal sealed class CompiledConstraint
{
    // Few tokens are longer: it is cheaper to look at these than further ahead.
    private const int MostPlainCharacters = 16;

    private readonly Lock _lock = new();
    private readonly TokenVocabulary _vocabulary;
    private readonly StackAutomaton _automaton;
    private readonly Dictionary<StackNode, LinkedListNode<(StackNode Place, TokenMask Mask)>> _masks = [];
    private readonly LinkedList<(StackNode Place, TokenMask Mask)> _recent = [];
    private long _maskBytes;

    public CompiledConstraint(Grammar grammar, TokenVocabulary vocabulary, WorkBudget work)
    {
        (_vocabulary, _automaton) = (vocabulary, new StackAutomaton(grammar, work));
        _ = MaskOf(Start);
    }

    /// <summary>The place before the first token.</summary>
    public StackNode Start => _automaton.Start;

    /// <summary>About what it takes to keep it: it grows with the places that outputs come to, up to a bound.</summary>
    public long Bytes => _automaton.Bytes + Interlocked.Read(ref _maskBytes);

    /// <summary>What is kept: places with their stacks, and bytes of masks.</summary>
    internal (int Places, long MaskBytes) Kept => (_automaton.Kept, _maskBytes);

    /// <summary>The place after a token; dead if the token does not fit there.</summary>
    /// <param name="place">The place before it.</param>
    /// <param name="token">The token.</param>
    /// <param name="budget">The request's; null for one of its own.</param>
    public StackNode After(StackNode place, int token, MatchBudget? budget = null)
    {
        var bytes = _vocabulary.BytesOf(token);
        return bytes.IsEmpty ? _automaton.Dead : After(place, bytes, budget);
    }

    /// <summary>The place after bytes; dead if they do not fit there.</summary>
    public StackNode After(StackNode place, ReadOnlySpan<byte> bytes, MatchBudget? budget = null)
    {
        if (budget is null) budget = new();
        else _automaton.Refill(budget);
        foreach (var value in bytes)
        {
            if (place.IsDead) break;
            place = _automaton.Step(place, value, budget);
        }
        return place;
    }

    /// <summary>Whether a token adds to the text.</summary>
    public bool IsText(int token) => !_vocabulary.BytesOf(token).IsEmpty;

    /// <summary>The tokens that fit at a place.</summary>
    public TokenMask MaskOf(StackNode place, MatchBudget? budget = null)
    {
        if (FindMask(place) is { } known) return known;
        lock (place)
        {
            if (FindMask(place) is { } found) return found;
            var mask = ComputeMask(place, budget ?? new());
            Keep(place, mask);
            return mask;
        }
    }

    private TokenMask? FindMask(StackNode place)
    {
        lock (_lock)
        {
            if (!_masks.TryGetValue(place, out var kept)) return null;
            if (kept != _recent.First)
            {
                _recent.Remove(kept);
                _recent.AddFirst(kept);
            }
            return kept.Value.Mask;
        }
    }

    private void Keep(StackNode place, TokenMask mask)
    {
        lock (_lock)
        {
            _masks.Add(place, _recent.AddFirst((place, mask)));
            for (_maskBytes += mask.Bytes; _maskBytes > Limits.MaskBytes && _recent.Count > 1; _recent.RemoveLast())
            {
                var oldest = _recent.Last!.Value;
                _masks.Remove(oldest.Place);
                _maskBytes -= oldest.Mask.Bytes;
            }
        }
    }

    private TokenMask ComputeMask(StackNode place, MatchBudget budget)
    {
        var bits = new ulong[_vocabulary.Words];
        Walk(_vocabulary.Others, place, bits, budget);
        var free = PlainText.Length(_automaton, place, Math.Min(_vocabulary.LongestPlain, MostPlainCharacters), budget);
        foreach (var part in _vocabulary.Plain)
            if (part.Characters <= free)
                for (var i = 0; i < bits.Length; i++) bits[i] |= part.Mask[i];
            else Walk(part.Trie, place, bits, budget);
        return new TokenMask(bits, place.IsEnd);
    }

    // Tokens that start alike are looked at together; where a start does not fit, all that have it are passed over.
    private void Walk(TokenTrie trie, StackNode place, ulong[] bits, MatchBudget budget)
    {
        var (labels, depths, after, tokens) = (trie.Labels, trie.Depths, trie.After, trie.Tokens);
        var (classOf, sameAs) = (_automaton.ClassOf, _vocabulary.SameAs);
        var path = new StackNode[trie.Deepest + 1];
        path[0] = place;
        for (var i = 0; i < labels.Length;)
        {
            var from = path[depths[i]];
            var to = (from.Next is { } next ? next[classOf[labels[i]]] : null) ?? _automaton.FindStep(from, labels[i], budget);
            if (to.IsDead)
            {
                i = after[i];
                continue;
            }
            path[depths[i] + 1] = to;
            for (var token = tokens[i]; token >= 0; token = sameAs[token]) bits[token >> 6] |= 1UL << (token & 63);
            i++;
        }
    }
}
