using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Joins WordPiece tokens: those without the prefix start a word.</summary>
internal sealed class WordPieceStage(string prefix, bool cleanUp, DecoderStage next) : DecoderStage(next)
{
    private bool _any;

    public override void Push(ReadOnlySpan<byte> token)
    {
        var text = Encoding.UTF8.GetString(token);
        if (_any) text = prefix.Length > 0 && text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : " " + text;
        _any = true;
        Hand(cleanUp ? CleanUp(text) : text);
    }

    public static string CleanUp(string text) => text
        .Replace(" .", ".", StringComparison.Ordinal).Replace(" ?", "?", StringComparison.Ordinal).Replace(" !", "!", StringComparison.Ordinal)
        .Replace(" ,", ",", StringComparison.Ordinal).Replace(" ' ", "'", StringComparison.Ordinal).Replace(" n't", "n't", StringComparison.Ordinal)
        .Replace(" 'm", "'m", StringComparison.Ordinal).Replace(" do not", " don't", StringComparison.Ordinal).Replace(" 's", "'s", StringComparison.Ordinal)
        .Replace(" 've", "'ve", StringComparison.Ordinal).Replace(" 're", "'re", StringComparison.Ordinal);
}
