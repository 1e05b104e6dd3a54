using Beam.ML.Vllm.StructuredOutput.Automata;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;

namespace Beam.ML.Vllm.StructuredOutput;

/// <summary>Where one request's output is in its constraint.</summary>
/// <param name="constraint">The constraint.</param>
/// <param name="endTokens">The model's end-of-sequence tokens, allowed where the text may end.</param>
/// <param name="budget">What finding out what fits may take.</param>
internal sealed class StructuredOutputState(CompiledConstraint constraint, int[] endTokens, MatchBudget budget)
{
    private StackNode _place = constraint.Start;
    private TokenMask? _mask;
    private bool _ended;
    private StructuredOutputException? _failure;

    /// <summary>Whether nothing but the end may come: no minimum of tokens can be had then.</summary>
    public bool MustEnd => _ended || Mask is { Count: 0, CanEnd: true };

    private TokenMask Mask => _mask ??= constraint.MaskOf(_place, budget);

    /// <summary>Forbids all tokens that do not fit.</summary>
    /// <param name="logits">One logit for each token.</param>
    /// <param name="endsRequest">Whether an end-of-sequence token ends the request. If not, one that is written out in the text is not allowed.</param>
    /// <exception cref="StructuredOutputException">No token of the vocabulary fits.</exception>
    public void Apply(Span<float> logits, bool endsRequest)
    {
        if (_failure is not null) throw _failure;
        if (_ended) KeepEnds(logits);
        else
        {
            if (Mask is { Count: 0, CanEnd: false })
                throw new StructuredOutputException("No token continues the structured output: the model's vocabulary has none that fits, or the output is nested too deeply.");
            Mask.Apply(logits, endTokens);
        }
        if (endsRequest || Array.TrueForAll(endTokens, constraint.IsText)) return;
        foreach (var id in endTokens)
            if (constraint.IsText(id) && (uint)id < (uint)logits.Length) logits[id] = float.NegativeInfinity;
    }

    /// <summary>Goes on by a chosen token.</summary>
    public void Accept(int token)
    {
        if (_ended) return;
        if (endTokens.Contains(token))
        {
            _ended = true;
            return;
        }
        try
        {
            (_place, _mask) = (constraint.After(_place, token, budget), null);
        }
        catch (StructuredOutputException e)
        {
            // The token stands; it is the next one that cannot be chosen.
            _failure = e;
        }
    }

    /// <summary>A copy that goes its own way.</summary>
    public StructuredOutputState Clone() => new(constraint, endTokens, budget.Another()) { _place = _place, _mask = _mask, _ended = _ended, _failure = _failure };

    // Where the end token does not end the request (ignore_eos), it repeats: nothing follows a finished text.
    private void KeepEnds(Span<float> logits)
    {
        Span<float> kept = endTokens.Length <= 64 ? stackalloc float[endTokens.Length] : new float[endTokens.Length];
        for (var i = 0; i < kept.Length; i++) kept[i] = (uint)endTokens[i] < (uint)logits.Length ? logits[endTokens[i]] : 0;
        logits.Fill(float.NegativeInfinity);
        for (var i = 0; i < kept.Length; i++)
            if ((uint)endTokens[i] < (uint)logits.Length) logits[endTokens[i]] = kept[i];
    }
}
