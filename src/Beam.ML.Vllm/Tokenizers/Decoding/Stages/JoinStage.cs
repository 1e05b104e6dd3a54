namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Without a decoder, tokens are set apart by spaces.</summary>
internal sealed class JoinStage(DecoderStage next) : DecoderStage(next)
{
    private bool _any;

    public override void Push(ReadOnlySpan<byte> token)
    {
        if (_any) Next.Push(" "u8);
        _any = true;
        Next.Push(token);
    }
}
