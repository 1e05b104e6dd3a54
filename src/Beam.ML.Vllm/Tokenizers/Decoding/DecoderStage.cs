using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>
/// One decoder of a chain, as a stream: it gets tokens one by one and hands text on as soon as no later token can change it.
/// </summary>
internal abstract class DecoderStage(DecoderStage? next)
{
    protected DecoderStage Next => next!;

    public abstract void Push(ReadOnlySpan<byte> token);

    /// <summary>No more tokens come.</summary>
    public virtual void Flush() => Next.Flush();

    protected void Hand(string text)
    {
        if (text.Length > 0) Next.Push(Encoding.UTF8.GetBytes(text));
    }
}
