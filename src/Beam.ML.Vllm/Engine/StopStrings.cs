namespace Beam.ML.Vllm.Engine;

/// <summary>Finds stop strings in text that arrives in pieces.</summary>
internal static class StopStrings
{
    /// <summary>The first match that does not lie wholly before <paramref name="from"/>, the earliest to begin; null if there is none.</summary>
    public static (int Index, string Stop)? Find(string text, int from, IReadOnlyList<string> stops)
    {
        (int Index, string Stop)? found = null;
        foreach (var stop in stops)
        {
            var index = text.IndexOf(stop, Math.Clamp(from - stop.Length + 1, 0, text.Length), StringComparison.Ordinal);
            if (index >= 0 && (found is null || index < found.Value.Index)) found = (index, stop);
        }

        return found;
    }

    /// <summary>How many characters at the end of the text could be the beginning of a stop string.</summary>
    public static int HeldBack(ReadOnlySpan<char> text, IReadOnlyList<string> stops)
    {
        var held = 0;
        foreach (var stop in stops)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > held; length--)
            {
                if (text.EndsWith(stop.AsSpan(0, length), StringComparison.Ordinal)) held = length;
            }
        }

        return held;
    }
}
