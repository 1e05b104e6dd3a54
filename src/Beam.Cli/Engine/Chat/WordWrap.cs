using System.Text;

namespace Beam.Cli.Engine.Chat;

/// <summary>Breaks text that comes in pieces into rows between its words. A word is held back until it is whole.</summary>
internal sealed class WordWrap(int width)
{
    private readonly StringBuilder _word = new();
    private int _column;

    /// <summary>Adds a piece, and returns what may be shown.</summary>
    public string Add(string piece)
    {
        var shown = new StringBuilder();
        foreach (var character in piece)
        {
            if (character is not (' ' or '\n'))
            {
                _word.Append(character);
                continue;
            }

            Place(shown);
            if (character == '\n') _column = 0;
            // A space at the end of a row would begin the next one.
            else if (_column < width) _column++;
            else continue;
            shown.Append(character);
        }

        return shown.ToString();
    }

    /// <summary>What is left when no more comes.</summary>
    public string Finish()
    {
        var shown = new StringBuilder();
        Place(shown);
        _column = 0;
        return shown.ToString();
    }

    private void Place(StringBuilder shown)
    {
        if (_column > 0 && _column + _word.Length > width)
        {
            shown.Append('\n');
            _column = 0;
        }

        shown.Append(_word);
        _column += _word.Length;
        // The terminal itself breaks a word that is longer than a row.
        if (_column > width) _column %= width;
        _word.Clear();
    }
}
