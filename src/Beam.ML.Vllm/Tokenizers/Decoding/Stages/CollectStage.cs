using System.Runtime.InteropServices;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Makes one token of all: nothing goes on before the end. Used where a later stage needs the whole.</summary>
internal sealed class CollectStage(DecoderStage next) : DecoderStage(next)
{
    private readonly List<byte> _all = [];

    public override void Push(ReadOnlySpan<byte> token) => _all.AddRange(token);

    public override void Flush()
    {
        Next.Push(CollectionsMarshal.AsSpan(_all));
        base.Flush();
    }
}
