namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Strips a character from the start and the end of each token.</summary>
internal sealed class StripStage(byte[] content, int start, int stop, DecoderStage next) : DecoderStage(next)
{
    public override void Push(ReadOnlySpan<byte> token)
    {
        for (var i = 0; i < start && token.StartsWith(content); i++) token = token[content.Length..];
        for (var i = 0; i < stop && token.EndsWith(content); i++) token = token[..^content.Length];
        if (token.Length > 0) Next.Push(token);
    }
}
