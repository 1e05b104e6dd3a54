using System.Buffers;
using System.Globalization;
using System.Text;

namespace Beam.ML.Vllm.Tokenizers;

/// <summary>Finds added tokens in a text: leftmost first, the longest of those that start at a place.</summary>
internal sealed class AddedTokenMatcher
{
    /// <summary>A token longer than this is refused: it bounds the work for a character of text.</summary>
    public const int MaxContentLength = 4096;

    private readonly Dictionary<(int Node, char Next), int> _edges = [];
    private readonly List<AddedToken?> _tokenAt = [null];
    private readonly SearchValues<char> _firstChars;

    public AddedTokenMatcher(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        var first = new HashSet<char>();
        foreach (var (text, token) in tokens)
        {
            if (text.Length == 0) continue;
            if (text.Length > MaxContentLength) throw new TokenizerException($"Added token {token.Id} is longer than {MaxContentLength} characters.");
            first.Add(text[0]);
            var node = 0;
            foreach (var c in text)
            {
                if (!_edges.TryGetValue((node, c), out var next))
                {
                    next = _tokenAt.Count;
                    _tokenAt.Add(null);
                    _edges.Add((node, c), next);
                }
                node = next;
            }
            _tokenAt[node] ??= token;
        }
        IsEmpty = first.Count == 0;
        _firstChars = SearchValues.Create([.. first]);
    }

    public bool IsEmpty { get; }

    /// <summary>The next match at or after <paramref name="from"/>, with the white space that it takes along, or null.</summary>
    public (AddedToken Token, int Start, int End)? Next(ReadOnlySpan<char> text, int from)
    {
        var at = from;
        while (true)
        {
            var skip = at < text.Length ? text[at..].IndexOfAny(_firstChars) : -1;
            if (skip < 0) return null;
            at += skip;
            if (Longest(text[at..]) is not { } match)
            {
                at++;
                continue;
            }
            var (token, length) = match;
            var (start, end) = (at, at + length);
            if (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])))
            {
                at = end;
                continue;
            }
            if (token.LStrip)
                while (start > from && char.IsWhiteSpace(text[start - 1])) start--;
            if (token.RStrip)
                while (end < text.Length && char.IsWhiteSpace(text[end])) end++;
            return (token, start, end);
        }
    }

    private (AddedToken Token, int Length)? Longest(ReadOnlySpan<char> text)
    {
        (AddedToken, int)? best = null;
        var node = 0;
        for (var i = 0; i < text.Length && _edges.TryGetValue((node, text[i]), out node); i++)
            if (_tokenAt[node] is { } token) best = (token, i + 1);
        return best;
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool IsWord(Rune rune) => Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark or
        UnicodeCategory.ConnectorPunctuation or UnicodeCategory.LetterNumber;
}
