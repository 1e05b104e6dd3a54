using System.Buffers;
using System.Text;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.StructuredOutput.Vocabulary;

/// <summary>
/// A tokenizer's tokens as the bytes that they add to a text. Those of whole characters that JSON writes as themselves, the most of any
/// vocabulary, are kept apart by their length in characters: where a string of JSON may take so many, all of them fit, and only the others
/// need a look.
/// </summary>
internal sealed class TokenVocabulary
{
    // The most characters of each part; the last one takes the rest.
    private static readonly int[] PartLengths = [2, 4, 8, 16, int.MaxValue];

    private readonly byte[]?[] _bytes;

    /// <param name="bytes">Each token's bytes; null or empty for one that is no text, such as a special token.</param>
    public TokenVocabulary(byte[]?[] bytes)
    {
        _bytes = bytes;
        SameAs = new int[bytes.Length];
        SameAs.AsSpan().Fill(-1);
        Words = (bytes.Length + 63) / 64;
        var ids = Enumerable.Range(0, bytes.Length).Where(id => bytes[id] is { Length: > 0 and <= ushort.MaxValue }).ToArray();
        Array.Sort(ids, (a, b) => bytes[a].AsSpan().SequenceCompareTo(bytes[b]) is var order and not 0 ? order : b.CompareTo(a));
        var lengths = ids.Select(id => PlainLength(bytes[id])).ToArray();
        Others = new TokenTrie(ids.Where((_, i) => lengths[i] < 0), id => bytes[id]!, SameAs);
        Plain =
        [
            .. PartLengths.Select((max, part) =>
            {
                var min = part == 0 ? 0 : PartLengths[part - 1];
                var members = ids.Where((_, i) => lengths[i] > min && lengths[i] <= max).ToArray();
                var mask = new ulong[Words];
                foreach (var id in members) mask[id >> 6] |= 1UL << (id & 63);
                return new PlainPart(new TokenTrie(members, id => bytes[id]!, SameAs), mask, members.Length == 0 ? 0 : members.Max(id => PlainLength(bytes[id])));
            }).Where(p => p.Characters > 0),
        ];
        LongestPlain = Plain.Length == 0 ? 0 : Plain[^1].Characters;
    }

    /// <summary>One more than the highest token.</summary>
    public int Count => _bytes.Length;

    /// <summary>The length of a mask.</summary>
    public int Words { get; }

    /// <summary>For each token the next one with the same bytes, or -1.</summary>
    public int[] SameAs { get; }

    /// <summary>Tokens of characters that JSON writes as themselves, the shortest first.</summary>
    public PlainPart[] Plain { get; }

    /// <summary>All other tokens.</summary>
    public TokenTrie Others { get; }

    /// <summary>The most characters that a token of <see cref="Plain"/> has.</summary>
    public int LongestPlain { get; }

    /// <param name="Trie">The tokens.</param>
    /// <param name="Mask">The same as a mask.</param>
    /// <param name="Characters">The most characters that one of them has.</param>
    public sealed record PlainPart(TokenTrie Trie, ulong[] Mask, int Characters);

    public static TokenVocabulary Of(Tokenizer tokenizer)
    {
        var bytes = new byte[]?[tokenizer.VocabularySize];
        for (var id = 0; id < bytes.Length; id++) bytes[id] = tokenizer.TextBytes(id);
        return new TokenVocabulary(bytes);
    }

    /// <summary>The bytes that a token adds to the text; empty for one that is no text.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) => (uint)id < (uint)_bytes.Length ? _bytes[id] : default;

    // The number of characters, or -1 if it is not made of whole characters that JSON writes as themselves.
    private static int PlainLength(ReadOnlySpan<byte> token)
    {
        var count = 0;
        for (; token.Length > 0; count++)
        {
            if (Rune.DecodeFromUtf8(token, out var rune, out var length) != OperationStatus.Done || rune.Value is < ' ' or '"' or '\\') return -1;
            token = token[length..];
        }
        return count;
    }
}
