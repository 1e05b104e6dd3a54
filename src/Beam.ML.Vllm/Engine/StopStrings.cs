namespace Beam.ML.Vllm.Engine;

/// <summary>Finds stop strings in text that arrives in pieces.</summary>
internal static class StopStrings
{
    /// <summary>The first match that does not lie wholly before <paramref name="from"/>, the earliest to begin; null if there is none.</summary>
    public static (int Index, string Stop)? Find(ReadOnlySpan<char> text, int from, IReadOnlyList<string> stops)
    {
        (int Index, string Stop)? found = null;
        for (var i = 0; i < stops.Count; i++)
        {
            var (stop, start) = (stops[i], Math.Clamp(from - stops[i].Length + 1, 0, text.Length));
            var index = text[start..].IndexOf(stop, StringComparison.Ordinal);
            if (index >= 0) index += start;
            if (index >= 0 && (found is null || index < found.Value.Index)) found = (index, stop);
        }

        return found;
    }

    /// <summary>How many characters at the end of the text could be the beginning of a stop string.</summary>
    public static int HeldBack(ReadOnlySpan<char> text, IReadOnlyList<string> stops)
    {
        var held = 0;
        for (var i = 0; i < stops.Count; i++)
        {
            var stop = stops[i];
            for (var length = Math.Min(stop.Length - 1, text.Length); length > held; length--)
            {
                if (text.EndsWith(stop.AsSpan(0, length), StringComparison.Ordinal)) held = length;
            }
        }

        return held;
    }
}
