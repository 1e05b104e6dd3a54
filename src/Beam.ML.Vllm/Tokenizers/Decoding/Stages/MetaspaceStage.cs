using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Writes <c>▁</c> as a space; those of the first token go where one was put before the text.</summary>
internal sealed class MetaspaceStage(string replacement, bool dropFirst, DecoderStage next) : DecoderStage(next)
{
    private bool _dropNow = dropFirst;

    public override void Push(ReadOnlySpan<byte> token)
    {
        Hand(Encoding.UTF8.GetString(token).Replace(replacement, _dropNow ? "" : " ", StringComparison.Ordinal));
        _dropNow = false;
    }
}
