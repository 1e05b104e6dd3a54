using Beam.ML.Vllm.Tokenizers.PreTokenizers;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>GPT-2's byte alphabet back to bytes.</summary>
internal sealed class ByteLevelStage(DecoderStage next) : DecoderStage(next)
{
    public override void Push(ReadOnlySpan<byte> token)
    {
        using var bytes = new PooledList<byte>(token.Length + 16);
        ByteAlphabet.Decode(token, bytes);
        if (bytes.Count > 0) Next.Push(bytes.Span);
    }
}
