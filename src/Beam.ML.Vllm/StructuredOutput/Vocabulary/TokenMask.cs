using System.Numerics;

namespace Beam.ML.Vllm.StructuredOutput.Vocabulary;

/// <summary>The tokens that are allowed at a place in the output.</summary>
internal sealed class TokenMask(ulong[] bits, bool canEnd)
{
    /// <summary>Token i is bit i mod 64 of word i / 64.</summary>
    public ReadOnlySpan<ulong> Bits => bits;

    /// <summary>Whether an end-of-sequence token is allowed.</summary>
    public bool CanEnd => canEnd;

    /// <summary>Tokens of text that are allowed.</summary>
    public int Count { get; } = bits.Sum(BitOperations.PopCount);

    /// <summary>About what it takes to keep it, with its place.</summary>
    public int Bytes => (bits.Length * sizeof(ulong)) + 320;

    public bool Allows(int id) => (uint)id < (uint)bits.Length * 64 && (bits[id >> 6] >> (id & 63) & 1) != 0;

    /// <summary>Forbids the logits of all other tokens, but for the end tokens where the text may end.</summary>
    public void Apply(Span<float> logits, ReadOnlySpan<int> endTokens)
    {
        Span<float> ends = endTokens.Length <= 64 ? stackalloc float[endTokens.Length] : new float[endTokens.Length];
        for (var i = 0; i < ends.Length; i++) ends[i] = (uint)endTokens[i] < (uint)logits.Length ? logits[endTokens[i]] : 0;
        Span<float> kept = stackalloc float[64];
        for (var word = 0; word * 64 < logits.Length; word++)
        {
            var part = logits.Slice(word * 64, Math.Min(64, logits.Length - word * 64));
            var allowed = word < bits.Length ? bits[word] : 0;
            if (allowed == ulong.MaxValue) continue;
            if (BitOperations.PopCount(allowed) > 32)
            {
                for (var rest = ~allowed; rest != 0; rest &= rest - 1)
                    if (BitOperations.TrailingZeroCount(rest) is var i && i < part.Length) part[i] = float.NegativeInfinity;
                continue;
            }
            if (allowed != 0) part.CopyTo(kept);
            part.Fill(float.NegativeInfinity);
            for (var rest = allowed; rest != 0; rest &= rest - 1)
                if (BitOperations.TrailingZeroCount(rest) is var i && i < part.Length) part[i] = kept[i];
        }
        for (var i = 0; i < ends.Length; i++)
            if ((uint)endTokens[i] < (uint)logits.Length) logits[endTokens[i]] = CanEnd ? ends[i] : float.NegativeInfinity;
    }
}
