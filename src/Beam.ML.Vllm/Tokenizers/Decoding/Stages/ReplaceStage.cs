using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Replaces a pattern within each token.</summary>
internal sealed class ReplaceStage(Func<string, string> replace, byte[]? literal, DecoderStage next) : DecoderStage(next)
{
    public override void Push(ReadOnlySpan<byte> token)
    {
        if (literal is not null && token.IndexOf(literal) < 0) Next.Push(token);
        else Hand(replace(Encoding.UTF8.GetString(token)));
    }
}
