namespace Beam.Runner.Direct.Progress;

/// <summary>Lines, and below them one line that is rewritten.</summary>
internal sealed class LiveConsole(TextWriter output)
{
    private const int DefaultWidth = 80;

    private readonly Lock _lock = new();
    private string _live = "";

    /// <summary>Writes a line above the live one.</summary>
    public void WriteLine(string line)
    {
        lock (_lock)
        {
            if (_live.Length == 0)
            {
                output.WriteLine(line);
                return;
            }

            output.Write("\r" + line.PadRight(_live.Length) + System.Environment.NewLine + _live);
        }
    }

    /// <summary>Rewrites the live line, cut to the terminal's width; nothing removes it.</summary>
    public void Show(string line)
    {
        var width = Width() - 1;
        if (line.Length > width) line = line[..(width - 1)] + "…";
        lock (_lock)
        {
            if (line.Length == 0 && _live.Length == 0) return;
            output.Write("\r" + line.PadRight(_live.Length) + (line.Length == 0 ? "\r" : ""));
            _live = line;
        }
    }

    private static int Width()
    {
        try
        {
            // Some terminals do not know how wide they are.
            return Console.WindowWidth is > 0 and var width ? Math.Max(20, width) : DefaultWidth;
        }
        catch (IOException)
        {
            return DefaultWidth;
        }
    }
}
