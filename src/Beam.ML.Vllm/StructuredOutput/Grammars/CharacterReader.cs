namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Reads a pattern character by character, with what regular expressions and grammars have in common.</summary>
internal sealed partial class CharacterReader
{
    private readonly int[] _text;
    private readonly string _what;
    private readonly WorkBudget _work;

    /// <param name="text">The text to read.</param>
    /// <param name="what">What it is, for errors.</param>
    /// <param name="work">What reading it is charged to.</param>
    public CharacterReader(string text, string what, WorkBudget work)
    {
        if (text.Length > Limits.TextLength) throw new StructuredOutputException($"The {what} has {text.Length} characters, and {Limits.TextLength} at most are allowed.");
        work.Charge(text.Length);
        _text = [.. text.EnumerateRunes().Select(r => r.Value)];
        (_what, _work) = (what, work);
    }

    public int Position { get; set; }

    public bool AtEnd => Position >= _text.Length;

    /// <summary>The next character, or -1.</summary>
    public int Peek(int ahead = 0) => Position + ahead < _text.Length ? _text[Position + ahead] : -1;

    public int Next() => AtEnd ? throw Error("it ends too early") : _text[Position++];

    public bool TryTake(char c)
    {
        if (Peek() != c) return false;
        Position++;
        return true;
    }

    public bool TryTake(string text)
    {
        for (var i = 0; i < text.Length; i++)
            if (Peek(i) != text[i]) return false;
        Position += text.Length;
        return true;
    }

    public void Expect(char c)
    {
        if (!TryTake(c)) throw Error($"'{c}' is missing");
    }

    /// <summary>Characters up to one of these, which is left.</summary>
    public string TakeUntil(Func<int, bool> stop)
    {
        var start = Position;
        while (!AtEnd && !stop(_text[Position])) Position++;
        return Slice(start, Position);
    }

    /// <summary>A decimal number, or null where there is none.</summary>
    public int? TryNumber()
    {
        if (!char.IsAsciiDigit((char)Math.Max(0, Peek())) || Peek() > '9') return null;
        long value = 0;
        while (Peek() is >= '0' and <= '9')
            if ((value = value * 10 + (Next() - '0')) > Limits.Repetition) throw Error($"a repetition may go up to {Limits.Repetition}");
        return (int)value;
    }

    /// <summary>What is between braces, <c>{m}</c>, <c>{m,}</c>, <c>{,n}</c> or <c>{m,n}</c>; null, and nothing is read, if it is something else.</summary>
    public (int Min, int? Max)? TryCounts()
    {
        var start = Position;
        if (TryTake('{'))
        {
            SkipBlanks();
            var min = TryNumber();
            SkipBlanks();
            var comma = TryTake(',');
            SkipBlanks();
            var max = comma ? TryNumber() : min;
            SkipBlanks();
            if (TryTake('}') && (min ?? max) is not null)
            {
                if (max < min) throw Error($"the repetition {{{min},{max}}} has its bounds in the wrong order");
                return (min ?? 0, max);
            }
        }
        Position = start;
        return null;
    }

    public StructuredOutputException Error(string problem) =>
        new($"The {_what} cannot be used: {problem}, at character {Position} ({Excerpt()}).");

    public string Slice(int start, int end) => string.Concat(_text[start..end].Select(char.ConvertFromUtf32));

    private void SkipBlanks()
    {
        while (Peek() == ' ') Position++;
    }

    private string Excerpt()
    {
        var start = Math.Max(0, Math.Min(Position, _text.Length) - 20);
        var text = Slice(start, Math.Min(_text.Length, start + 40));
        return text.Length == 0 ? "it is empty" : $"'{text.Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}'";
    }
}
