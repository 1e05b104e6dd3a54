using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>Splits normalized text into pieces.</summary>
internal interface IPieceEncoder
{
    void Encode(ReadOnlySpan<byte> text, PooledList<int> ids);
}
