using Beam.ML.Vllm.StructuredOutput.Grammars;

namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <summary>
/// What finding out where tokens lead and which fit may take. Each token brings a completion an allowance of its own; what goes beyond is
/// taken from a store that all completions of a request have in common, and what is left of an allowance goes there. So a place that is
/// seen for the first time may take its time, and a constraint that takes it at each token ends its request.
/// </summary>
internal sealed class MatchBudget
{
    private readonly Store _store;
    private long _left = Limits.MatchWorkOfToken;

    public MatchBudget() => _store = new Store();

    private MatchBudget(Store store) => _store = store;

    /// <summary>Steps that were taken.</summary>
    public long Spent { get; private set; }

    /// <summary>For another completion of the same request.</summary>
    public MatchBudget Another() => new(_store);

    /// <summary>To be called for each token.</summary>
    public void Refill()
    {
        _store.Left = Math.Min(_store.Left + _left, Limits.MatchWork);
        _left = Limits.MatchWorkOfToken;
    }

    /// <exception cref="StructuredOutputException">There is nothing left.</exception>
    public void Charge(int steps)
    {
        Spent += steps;
        if ((_left -= steps) >= 0) return;
        _store.Left += _left;
        _left = 0;
        if (_store.Left < 0) throw new StructuredOutputException("The structured output's grammar is too ambiguous or too large: its steps take too long. Simplify it.");
    }

    private sealed class Store
    {
        public long Left { get; set; } = Limits.MatchWork;
    }
}
