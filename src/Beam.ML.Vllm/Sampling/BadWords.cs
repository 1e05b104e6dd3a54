using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Sampling;

/// <summary>
/// Turns forbidden words into forbidden sequences of tokens: each word as it begins a text, and as it follows a space where that makes
/// other tokens. (vLLM leaves the latter out where it has another number of tokens, and so lets through most words that are one token
/// after a space.)
/// </summary>
internal static class BadWords
{
    /// <summary>Sequences that one request may have.</summary>
    public const int MaxSequences = 128;

    public static IReadOnlyList<IReadOnlyList<int>> Tokenize(IReadOnlyList<string> words, Tokenizer tokenizer, int vocabularySize)
    {
        var sequences = new List<IReadOnlyList<int>>();
        foreach (var word in words.Distinct(StringComparer.Ordinal))
        {
            var bare = tokenizer.Encode(word.TrimStart(), addSpecialTokens: false);
            if (bare.Length == 0) throw new ArgumentException($"bad_words entries must tokenize to at least one token, got '{word}'.");
            sequences.Add(bare);
            var spaced = tokenizer.Encode(" " + word.TrimStart(), addSpecialTokens: false);
            if (!spaced.SequenceEqual(bare)) sequences.Add(spaced);
            if (sequences.Count > MaxSequences) throw new ArgumentException($"Too many bad words after tokenization. The max number is {MaxSequences}.");
        }

        if (sequences.SelectMany(ids => ids).Where(id => (uint)id >= (uint)vocabularySize).ToArray() is [_, ..] unknown)
        {
            throw new ArgumentException(
                $"The model vocabulary size is {vocabularySize}, but the following tokens were specified as bad: {string.Join(", ", unknown)}. " +
                $"All token id values should be integers satisfying: 0 <= token_id < {vocabularySize}.");
        }

        return sequences;
    }
}
