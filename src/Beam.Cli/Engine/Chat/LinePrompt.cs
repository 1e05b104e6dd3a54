using System.Text;

namespace Beam.Cli.Engine.Chat;

/// <summary>Reads lines from someone at a terminal: one row, drawn anew after each key, that scrolls sideways where the text is longer.</summary>
/// <param name="screen">Where the row is drawn.</param>
/// <param name="readKey">The next key; waits for it.</param>
/// <param name="width">Cells in a row at present.</param>
internal sealed class LinePrompt(TextWriter screen, Func<ConsoleKeyInfo> readKey, Func<int> width)
{
    private const string Sign = "> ";

    private readonly LineEditor _editor = new();

    /// <summary>The next line, or null when there will be none.</summary>
    public string? ReadLine()
    {
        Draw();
        while (true)
        {
            var outcome = _editor.Press(readKey());
            if (outcome != LineEditor.Outcome.Editing)
            {
                screen.WriteLine();
                return outcome == LineEditor.Outcome.Accepted ? _editor.Take() : null;
            }

            Draw();
        }
    }

    private void Draw()
    {
        var (text, cursor) = _editor.Window(Math.Max(width() - Sign.Length, 8));
        // Begin of the row, the row, erase the rest, and the cursor to its place.
        var row = new StringBuilder("\r").Append(Sign).Append(text).Append("\x1b[K\r\x1b[").Append(Sign.Length + cursor).Append('C');
        screen.Write(row);
        screen.Flush();
    }
}
