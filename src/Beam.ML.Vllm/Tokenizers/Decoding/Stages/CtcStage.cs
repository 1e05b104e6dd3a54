using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Connectionist temporal classification: repeated tokens are one, padding goes.</summary>
internal sealed class CtcStage(string pad, string delimiter, bool cleanUp, DecoderStage next) : DecoderStage(next)
{
    private string? _last;

    public override void Push(ReadOnlySpan<byte> token)
    {
        var text = Encoding.UTF8.GetString(token);
        if (text == _last) return;
        _last = text;
        if (pad.Length > 0) text = text.Replace(pad, "", StringComparison.Ordinal);
        if (cleanUp)
        {
            text = WordPieceStage.CleanUp(text);
            if (delimiter.Length > 0) text = text.Replace(delimiter, " ", StringComparison.Ordinal);
        }
        Hand(text);
    }
}
