namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Strips a one-byte character from the start and the end of one token that arrives in parts.</summary>
internal sealed class StripPartsStage(byte content, int start, int stop, DecoderStage next) : DecoderStage(next)
{
    private int _toStrip = start;
    private int _held;

    public override void Push(ReadOnlySpan<byte> token)
    {
        while (_toStrip > 0 && token.Length > 0)
        {
            if (token[0] != content) _toStrip = 0;
            else
            {
                token = token[1..];
                _toStrip--;
            }
        }
        if (token.IsEmpty) return;
        var tail = stop == 0 ? 0 : token.Length - (token.LastIndexOfAnyExcept(content) + 1);
        if (tail < token.Length) Release(_held);
        else tail += _held;
        var keep = Math.Min(tail, stop);
        if (tail > token.Length)
        {
            // All of it is strippable, with what was held before.
            Release(tail - keep);
        }
        else if (token.Length - keep > 0) Next.Push(token[..^keep]);
        _held = keep;
    }

    private void Release(int count)
    {
        for (; count > 0; count--) Next.Push([content]);
    }
}
