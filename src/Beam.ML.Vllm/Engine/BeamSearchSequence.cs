using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>A text on its way through a beam search: its last token, and the beam that it continues. What beams have in common is there once.</summary>
/// <param name="Prompt">What all beams begin with.</param>
/// <param name="Length">Tokens of prompt and output.</param>
/// <param name="Token">The last token; the prompt's where there is no other.</param>
/// <param name="CumulativeLogprob">The sum of the output's log probabilities, an end-of-sequence token's included.</param>
/// <param name="Parent">The beam that this one continues by a token; null for the prompt.</param>
/// <param name="Position">Log probabilities where that token stands.</param>
internal sealed record BeamSearchSequence(
    int[] Prompt, int Length, int Token, double CumulativeLogprob, BeamSearchSequence? Parent, PositionLogprobs? Position)
{
    /// <summary>The end-of-sequence token that ended it.</summary>
    public int? StopReason { get; init; }

    public static BeamSearchSequence Of(int[] prompt) => new(prompt, prompt.Length, prompt[^1], 0, null, null);

    public BeamSearchSequence Continue(int token, double cumulativeLogprob, PositionLogprobs position) =>
        new(Prompt, Length + 1, token, cumulativeLogprob, this, position);

    /// <summary>Prompt and output.</summary>
    public int[] ToTokens()
    {
        var tokens = new int[Length];
        Prompt.CopyTo(tokens, 0);
        for (var at = this; at.Parent is not null; at = at.Parent) tokens[at.Length - 1] = at.Token;
        return tokens;
    }
}
