using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Engine;

/// <summary>Tells by their text alone which prompts cannot fit into the model's context: cheaper than to find out by encoding megabytes.</summary>
internal sealed class PromptLength(Tokenizer tokenizer, int maxModelLength)
{
    // An unknown word of WordPiece is one token, whatever its length up to this.
    private const int LongestUnknownWord = 128;

    private readonly Lazy<long> _longestToken = new(() =>
    {
        long longest = LongestUnknownWord;
        for (var id = 0; id < tokenizer.VocabularySize; id++) longest = Math.Max(longest, tokenizer.IdToToken(id)?.Length ?? 0);
        return longest;
    });

    public Tokenizer Tokenizer => tokenizer;

    /// <exception cref="InvalidRequestException">The text is too long for the model, whatever its tokens are.</exception>
    public void Check(string prompt)
    {
        if (prompt.Length <= maxModelLength || prompt.Length / _longestToken.Value <= maxModelLength) return;
        throw new InvalidRequestException(
            $"This model's maximum context length is {maxModelLength} tokens. However, the prompt has {prompt.Length} characters, which are more tokens than that.") { Field = "prompt" };
    }
}
