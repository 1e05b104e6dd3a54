using System.Buffers.Text;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Tokens like <c>&lt;0xE2&gt;</c> are bytes: a run of them is text if all of it is UTF-8, else a U+FFFD for each.</summary>
internal sealed class ByteFallbackStage(DecoderStage next) : DecoderStage(next)
{
    private readonly List<byte> _run = [];

    public override void Push(ReadOnlySpan<byte> token)
    {
        if (TryParse(token, out var value))
        {
            _run.Add(value);
            return;
        }
        EndRun();
        Next.Push(token);
    }

    public override void Flush()
    {
        EndRun();
        base.Flush();
    }

    private void EndRun()
    {
        if (_run.Count == 0) return;
        var bytes = _run.ToArray();
        _run.Clear();
        if (Utf8.IsValid(bytes)) Next.Push(bytes);
        else
            foreach (var _ in bytes) Next.Push(Utf8.Replacement);
    }

    public static bool TryParse(ReadOnlySpan<byte> token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x"u8) && token[5] == '>' &&
            Utf8Parser.TryParse(token[3..5], out value, out var used, 'X') && used == 2;
    }
}
