using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>A suffix marks the end of a word: a space, but for the last token.</summary>
internal sealed class BpeSuffixStage(string suffix, DecoderStage next) : DecoderStage(next)
{
    private string? _held;

    public override void Push(ReadOnlySpan<byte> token)
    {
        if (_held is not null) Hand(Replace(_held, " "));
        _held = Encoding.UTF8.GetString(token);
    }

    public override void Flush()
    {
        if (_held is not null) Hand(Replace(_held, ""));
        base.Flush();
    }

    private string Replace(string token, string by) => suffix.Length == 0 ? token : token.Replace(suffix, by, StringComparison.Ordinal);
}
