using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Tokenizers.Decoding;

namespace Beam.ML.Vllm.Sampling;

/// <summary>A token's log probability at some position: vLLM's <c>Logprob</c>.</summary>
public sealed class TokenLogprob
{
    private readonly TokenContext? _context;
    private readonly bool _stands;

    internal TokenLogprob(int tokenId, float logprob, int rank, TokenContext? context, bool stands) =>
        (TokenId, Logprob, Rank, _context, _stands) = (tokenId, logprob, rank, context, stands);

    /// <summary>The token.</summary>
    public int TokenId { get; }

    /// <summary>Natural logarithm of its probability by the model alone, before penalties, temperature and the like (vLLM's <c>raw_logprobs</c>).</summary>
    public float Logprob { get; }

    /// <summary>1 for the likeliest token of the vocabulary, 2 for the next …; of equals the lower id comes first.</summary>
    public int Rank { get; }

    /// <summary>
    /// The text that the token adds after those before it: empty as long as a character is unfinished, then the whole character. What
    /// those before it left unfinished for good comes out as U+FFFD with the token that stands there, and with none of its alternatives.
    /// Null without a tokenizer or with <c>detokenize</c> off. Decoded when it is asked for.
    /// </summary>
    public string? DecodedToken => field ??= _context?.Decode(TokenId, _stands);

    /// <inheritdoc/>
    public override string ToString() => $"{TokenId} {Logprob:0.0000} (rank {Rank})";
}

/// <summary>Log probabilities at one position of a prompt or an output.</summary>
public sealed class PositionLogprobs
{
    private readonly LogprobsRow _row;
    private readonly TokenContext? _context;

    internal PositionLogprobs(LogprobsRow row, TokenContext? context) => (_row, _context) = (row, context);

    /// <summary>The token that stands there, whether or not it is among <see cref="Top"/>.</summary>
    public TokenLogprob Token => field ??= new TokenLogprob(_row.TokenId, _row.Value, _row.Rank, _context, stands: true);

    /// <summary>The likeliest tokens, best first, as many as <c>logprobs</c> says; or those of <c>logprob_token_ids</c>, in that order.</summary>
    public IReadOnlyList<TokenLogprob> Top => field ??=
        [.. _row.TopIds.Select((id, i) => new TokenLogprob(id, _row.TopValues[i], _row.TopRanks?[i] ?? i + 1, _context, stands: id == _row.TokenId))];

    /// <summary>What <see cref="Top"/> has, without an object for each token.</summary>
    internal (int[] Ids, float[] Logprobs) TopRow => (_row.TopIds, _row.TopValues);

    /// <summary>The same position with no more than so many of its top tokens.</summary>
    internal PositionLogprobs Take(int count) => _row.TopIds.Length <= count ? this : new PositionLogprobs(
        _row with { TopIds = _row.TopIds[..count], TopValues = _row.TopValues[..count], TopRanks = _row.TopRanks?[..count] }, _context);

    /// <summary>The same position with another of its top tokens, and with text.</summary>
    internal PositionLogprobs Of(int tokenId, TokenContext? context)
    {
        var i = Array.IndexOf(_row.TopIds, tokenId);
        return new PositionLogprobs(_row with { TokenId = tokenId, Value = _row.TopValues[i], Rank = _row.TopRanks?[i] ?? i + 1 }, context);
    }
}

/// <summary>The tokens before a position, as many as it takes to know what text the next one adds.</summary>
internal sealed class TokenContext
{
    // A character has up to four bytes, each of which may be a token; the first token of a text may lose its space.
    private const int Length = 4;

    private readonly Tokenizer _tokenizer;
    private readonly int[] _before;

    private TokenContext(Tokenizer tokenizer, int[] before) => (_tokenizer, _before) = (tokenizer, before);

    public static TokenContext? Of(Tokenizer? tokenizer, ReadOnlySpan<int> before) =>
        tokenizer is null ? null : new TokenContext(tokenizer, before[Math.Max(0, before.Length - Length)..].ToArray());

    /// <param name="id">The token.</param>
    /// <param name="stands">Whether it is the one that stands there, which ends a character that those before it began.</param>
    public string Decode(int id, bool stands)
    {
        var text = After(id, flush: false);
        return stands || !text.StartsWith('\uFFFD') ? text : After(id, flush: true);
    }

    private string After(int id, bool flush)
    {
        TokenStream stream = _tokenizer.CreateStream(skipSpecialTokens: false);
        foreach (var before in _before) stream.Push(before);
        if (flush) stream.Flush();
        stream.Output.Take();
        stream.Push(id);
        return stream.Output.Take();
    }
}
