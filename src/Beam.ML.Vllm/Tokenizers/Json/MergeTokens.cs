using System.Runtime.CompilerServices;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Json;

/// <summary>
/// The tokens of a merges list, in its order, waiting for their ids. Looking one up is three steps through memory, each where the one before
/// leads: done for one token after the other, loading waits for memory most of the time. Here the steps of the tokens to come are under way
/// while one is looked up.
/// </summary>
internal sealed class MergeTokens(TokenTable vocabulary, int fileLength) : IDisposable
{
    /// <summary>Tokens from one step to the next.</summary>
    private const int Stride = 8;

    private readonly PooledList<byte> _bytes = new(Math.Min((fileLength / 4) + 64, 64 << 20));
    private readonly PooledList<(int End, uint Hash)> _tokens = new(Math.Min((fileLength / 32) + 64, 8 << 20));
    private int _next;

    public int Count => _tokens.Count;

    public ReadOnlySpan<byte> this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            var start = index == 0 ? 0 : _tokens.Span[index - 1].End;
            return _bytes.Span[start.._tokens.Span[index].End];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(ReadOnlySpan<byte> token)
    {
        _bytes.AddRange(token);
        _tokens.Add((_bytes.Count, vocabulary.HashOf(token)));
    }

    /// <summary>The id of the next token, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Next()
    {
        var tokens = _tokens.Span;
        var at = _next++;
        if (at + (3 * Stride) < tokens.Length)
        {
            vocabulary.Prefetch(tokens[at + (3 * Stride)].Hash, 0);
            vocabulary.Prefetch(tokens[at + (2 * Stride)].Hash, 1);
            vocabulary.Prefetch(tokens[at + Stride].Hash, 2);
        }

        return vocabulary.Find(this[at], tokens[at].Hash);
    }

    public void Dispose()
    {
        _bytes.Dispose();
        _tokens.Dispose();
    }
}
