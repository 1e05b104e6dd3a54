namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>
/// What one compilation may take, from the first character read to the last edge made: all its parts charge their steps here, so that many
/// parts, each within its bounds, are not too much together. A step is a character, a range, a state or an edge looked at. The caller may
/// have gone meanwhile; that is looked after here too.
/// </summary>
internal sealed class WorkBudget(CancellationToken cancellationToken = default, long limit = Limits.CompileWork)
{
    private const int StepsBetweenLooks = 1 << 12;

    private long _nextLook;

    /// <summary>Steps so far.</summary>
    public long Spent { get; private set; }

    /// <exception cref="StructuredOutputException">The compilation has taken its share.</exception>
    /// <exception cref="OperationCanceledException">Nobody waits for it any more.</exception>
    public void Charge(long steps)
    {
        Spent += steps;
        if (Spent < _nextLook) return;
        cancellationToken.ThrowIfCancellationRequested();
        if (Spent > limit) throw Limits.TooLarge("its share of steps to compile");
        _nextLook = Math.Min(Spent + StepsBetweenLooks, limit + 1);
    }
}
