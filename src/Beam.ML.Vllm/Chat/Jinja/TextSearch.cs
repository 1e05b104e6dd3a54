namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>Finds a text in others, in time that grows with the two lengths' sum, whatever they are: by Knuth, Morris and Pratt where it is long.</summary>
internal sealed class TextSearch
{
    // .NET's search, by far the faster, compares as much as this at each place at worst.
    private const int Short = 32;

    private readonly string _part;
    private readonly bool _fromEnd;

    // For each beginning of the part (each end, from the end), how much of it is the beginning of another match.
    private readonly int[]? _borders;

    public TextSearch(string part, bool fromEnd = false)
    {
        (_part, _fromEnd) = (part, fromEnd);
        if (part.Length <= Short) return;
        _borders = new int[part.Length];
        for (int i = 1, border = 0; i < part.Length; i++)
        {
            while (border > 0 && Part(i) != Part(border)) border = _borders[border - 1];
            if (Part(i) == Part(border)) border++;
            _borders[i] = border;
        }
    }

    /// <summary>Where it is first (last, from the end) between two places of a text; negative if it is not there.</summary>
    public int Find(string text, int from, int to)
    {
        if (_borders is null)
        {
            var at = _fromEnd ? text.AsSpan(from, to - from).LastIndexOf(_part) : text.AsSpan(from, to - from).IndexOf(_part);
            return at < 0 ? -1 : from + at;
        }

        var matched = 0;
        for (var i = 0; i < to - from; i++)
        {
            var character = text[_fromEnd ? to - 1 - i : from + i];
            while (matched > 0 && character != Part(matched)) matched = _borders[matched - 1];
            if (character != Part(matched)) continue;
            if (++matched == _part.Length) return _fromEnd ? to - 1 - i : from + i + 1 - matched;
        }

        return -1;
    }

    public static int IndexOf(string text, string part) => part.Length > text.Length ? -1 : new TextSearch(part).Find(text, 0, text.Length);

    public static int LastIndexOf(string text, string part) => part.Length > text.Length ? -1 : new TextSearch(part, fromEnd: true).Find(text, 0, text.Length);

    private char Part(int index) => _part[_fromEnd ? _part.Length - 1 - index : index];
}
