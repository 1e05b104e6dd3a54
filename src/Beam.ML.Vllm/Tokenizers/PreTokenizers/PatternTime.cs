namespace Beam.ML.Vllm.Tokenizers.PreTokenizers;

/// <summary>
/// What the regular expressions of a tokenizer's file may take on one text, all their matches and all pieces of the text together: a file is
/// untrusted, and one that backtracks without end at each match would otherwise have as long for each of them.
/// </summary>
/// <param name="length">The text's characters.</param>
/// <param name="clock">Milliseconds from any start; the system's if null.</param>
internal sealed class PatternTime(int length, Func<long>? clock = null)
{
    /// <summary>What a text of any length may take, and one match.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly long _limit = (long)Limit.TotalMilliseconds + length / 100;
    private long _spent;

    /// <summary>Now, to be handed to <see cref="Spend"/>.</summary>
    public long Now => clock?.Invoke() ?? Environment.TickCount64;

    /// <summary>Counts the time since then, and returns the time now.</summary>
    /// <exception cref="TimeoutException">It is more than a text may take.</exception>
    public long Spend(long since)
    {
        var now = Now;
        _spent += now - since;
        return _spent <= _limit ? now : throw new TimeoutException();
    }
}
