using System.Globalization;

namespace Beam.Cli.Engine.Chat;

/// <summary>
/// A line that is being typed: where the cursor is, what each key does, and the lines before. It knows keys and text, and nothing of a
/// console. Positions are between characters as people see them, which may be several code units each.
/// </summary>
internal sealed class LineEditor
{
    private const int HistoryLimit = 1000;

    private readonly List<string> _history = [];
    private readonly List<string> _characters = [];
    private int _recalled;
    private string _unfinished = "";

    /// <summary>What a key comes to.</summary>
    public enum Outcome
    {
        /// <summary>The line goes on.</summary>
        Editing,

        /// <summary>The line is whole.</summary>
        Accepted,

        /// <summary>There will be no more lines.</summary>
        Ended,
    }

    public string Text => string.Concat(_characters);

    /// <summary>How many characters are in front of the cursor.</summary>
    public int Cursor { get; private set; }

    /// <summary>Takes the line, and begins the next one.</summary>
    public string Take()
    {
        var line = Text;
        if (!string.IsNullOrWhiteSpace(line) && (_history.Count == 0 || _history[^1] != line)) _history.Add(line);
        if (_history.Count > HistoryLimit) _history.RemoveAt(0);
        Set("");
        (_recalled, _unfinished) = (_history.Count, "");
        return line;
    }

    public Outcome Press(ConsoleKeyInfo key)
    {
        switch (key)
        {
            case { Key: ConsoleKey.Enter }:
                return Outcome.Accepted;
            case { KeyChar: '\u0004' or '\u001a' } when _characters.Count == 0:
                return Outcome.Ended;
            case { Key: ConsoleKey.Delete } or { KeyChar: '\u0004' }:
                if (Cursor < _characters.Count) _characters.RemoveAt(Cursor);
                break;
            case { Key: ConsoleKey.Backspace } or { KeyChar: '\u007f' or '\b' }:
                if (Cursor > 0) _characters.RemoveAt(--Cursor);
                break;
            case { Key: ConsoleKey.LeftArrow } or { KeyChar: '\u0002' }:
                Cursor = Math.Max(Cursor - 1, 0);
                break;
            case { Key: ConsoleKey.RightArrow } or { KeyChar: '\u0006' }:
                Cursor = Math.Min(Cursor + 1, _characters.Count);
                break;
            case { Key: ConsoleKey.Home } or { KeyChar: '\u0001' }:
                Cursor = 0;
                break;
            case { Key: ConsoleKey.End } or { KeyChar: '\u0005' }:
                Cursor = _characters.Count;
                break;
            case { KeyChar: '\u000b' }:
                _characters.RemoveRange(Cursor, _characters.Count - Cursor);
                break;
            case { KeyChar: '\u0015' }:
                _characters.RemoveRange(0, Cursor);
                Cursor = 0;
                break;
            case { Key: ConsoleKey.UpArrow } or { KeyChar: '\u0010' }:
                Recall(_recalled - 1);
                break;
            case { Key: ConsoleKey.DownArrow } or { KeyChar: '\u000e' }:
                Recall(_recalled + 1);
                break;
            default:
                if (key.KeyChar == '\t' || !char.IsControl(key.KeyChar)) Insert(key.KeyChar == '\t' ? ' ' : key.KeyChar);
                break;
        }

        return Outcome.Editing;
    }

    /// <summary>The part of the line around the cursor that fits, and how many cells of it are in front of the cursor.</summary>
    public (string Text, int Cursor) Window(int cells)
    {
        var (first, before) = (Cursor, 0);
        while (first > 0 && before + Cells(_characters[first - 1]) < cells) before += Cells(_characters[--first]);
        var (end, all) = (Cursor, before);
        while (end < _characters.Count && all + Cells(_characters[end]) < cells) all += Cells(_characters[end++]);
        return (string.Concat(_characters[first..end]), before);
    }

    /// <summary>A half of a surrogate pair, or an accent, joins what is in front of it.</summary>
    private void Insert(char typed)
    {
        var before = Cursor > 0 ? _characters[Cursor - 1] : "";
        if (before.Length > 0 && StringInfo.GetNextTextElementLength(before + typed) == before.Length + 1) _characters[Cursor - 1] += typed;
        else if (before.Length > 0 && char.IsHighSurrogate(before[^1]) && char.IsLowSurrogate(typed)) _characters[Cursor - 1] += typed;
        else _characters.Insert(Cursor++, typed.ToString());
    }

    private void Recall(int index)
    {
        if (index < 0 || index > _history.Count) return;
        if (_recalled == _history.Count) _unfinished = Text;
        _recalled = index;
        Set(index == _history.Count ? _unfinished : _history[index]);
    }

    private void Set(string text)
    {
        _characters.Clear();
        for (var elements = StringInfo.GetTextElementEnumerator(text); elements.MoveNext();) _characters.Add(elements.GetTextElement());
        Cursor = _characters.Count;
    }

    /// <summary>How wide terminals show a character: two cells for East Asian ones and pictures.</summary>
    private static int Cells(string character) => (System.Text.Rune.TryGetRuneAt(character, 0, out var rune) ? rune.Value : 0) is >= 0x1100 and (<= 0x115F or (>= 0x2E80 and <= 0xA4CF)
        or (>= 0xAC00 and <= 0xD7A3) or (>= 0xF900 and <= 0xFAFF) or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60) or (>= 0x1F300 and <= 0x3FFFD)) ? 2 : 1;
}
