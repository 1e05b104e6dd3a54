using Beam.ML.Vllm.Tokenizers.Decoding;
using Beam.ML.Vllm.Tokenizers.Json;
using Beam.ML.Vllm.Tokenizers.SentencePiece;

namespace Beam.ML.Vllm.Tokenizers;

/// <summary>
/// Turns text into token ids and back, as the Hugging Face or SentencePiece library would for the same files.
/// Immutable after loading: any number of threads may encode and decode at a time.
/// </summary>
public abstract class Tokenizer
{
    private protected Tokenizer() { }

    /// <summary>
    /// Loads the tokenizer of a checkpoint folder: <c>tokenizer.json</c> if there is one, else <c>tokenizer.model</c>,
    /// with the special tokens that <c>tokenizer_config.json</c> names.
    /// </summary>
    /// <exception cref="TokenizerException">No tokenizer is there, or its files are malformed.</exception>
    public static Tokenizer Load(string folder)
    {
        var config = TokenizerConfig.Load(folder);
        var json = Path.Combine(folder, "tokenizer.json");
        if (File.Exists(json)) return JsonTokenizer.Load(json, config);
        var model = Path.Combine(folder, "tokenizer.model");
        if (File.Exists(model)) return SentencePieceTokenizer.Load(model, config);
        throw new TokenizerException(
            $"No tokenizer in '{folder}': expected tokenizer.json (Hugging Face) or tokenizer.model (SentencePiece) there.");
    }

    /// <summary>One more than the highest token id.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The token that starts a text, if the tokenizer has one.</summary>
    public int? BosTokenId { get; private protected init; }

    /// <summary>The token that ends a text, if the tokenizer has one.</summary>
    public int? EosTokenId { get; private protected init; }

    /// <summary>The padding token, if the tokenizer has one.</summary>
    public int? PadTokenId { get; private protected init; }

    /// <summary>The token that stands for what the vocabulary lacks, if the tokenizer has one.</summary>
    public int? UnkTokenId { get; private protected init; }

    /// <summary>Encodes a text. Special tokens written out in the text become their ids.</summary>
    /// <param name="text">The text. Lone surrogates are read as U+FFFD.</param>
    /// <param name="addSpecialTokens">Add the tokens that the tokenizer puts around a text, such as <c>&lt;bos&gt;</c>.</param>
    public abstract int[] Encode(string text, bool addSpecialTokens = true);

    /// <summary>Decodes token ids. Ids outside the vocabulary stand for no text; bytes that are not UTF-8 come out as U+FFFD.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="skipSpecialTokens">Leave special tokens out of the text.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        var stream = CreateStream(skipSpecialTokens);
        foreach (var id in ids) stream.Push(id);
        stream.Flush();
        return stream.Output.Take();
    }

    /// <summary>Whether the id is of a special token: one that carries meaning for the model and no text.</summary>
    public abstract bool IsSpecial(int id);

    /// <summary>The id of a token as the vocabulary writes it (with <c>▁</c> or <c>Ġ</c> for a space), or null.</summary>
    public abstract int? TokenToId(string token);

    /// <summary>The token of an id as the vocabulary writes it, or null if no token has the id.</summary>
    public abstract string? IdToToken(int id);

    /// <summary>The bytes that a token adds in the middle of a text; none for special tokens, the unknown one and ids that no token has.</summary>
    internal virtual byte[] TextBytes(int id) => IsSpecial(id) || id == UnkTokenId ? [] : System.Text.Encoding.UTF8.GetBytes(Decode([id]));

    internal abstract TokenStream CreateStream(bool skipSpecialTokens);
}
