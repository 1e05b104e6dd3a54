using System.Buffers;
using System.Text;
using Beam.ML.Vllm.Tokenizers.Decoding;
using Beam.ML.Vllm.Tokenizers.Text;

namespace Beam.ML.Vllm.Tokenizers.SentencePiece;

/// <summary>Decodes pieces as SentencePiece does: <c>▁</c> is a space, byte pieces make up characters, the dummy prefix goes.</summary>
internal sealed class SentencePieceStream(SentencePieceTokenizer tokenizer, bool skipSpecialTokens) : TokenStream
{
    private readonly SentencePieceModel _model = tokenizer.Model;
    private readonly List<byte> _bytes = [];
    private bool _atStart = true;
    private bool _strippedSpace;
    private bool _empty = true;

    public override void Push(int id)
    {
        if (tokenizer.IsSpecial(id))
        {
            FlushBytes();
            if (!skipSpecialTokens && tokenizer.ContentOf(id) is { Length: > 0 } special) Emit(special);
            return;
        }
        if ((uint)id >= (uint)_model.Count)
        {
            FlushBytes();
            if (tokenizer.ContentOf(id) is { Length: > 0 } added) Emit(added);
            return;
        }
        if (_model.Types[id] == PieceType.Byte)
        {
            _bytes.Add(_model.ByteOf[id]);
            TakeCharacters();
            return;
        }
        FlushBytes();
        if (_strippedSpace || !_empty) _atStart = false;
        if (id == _model.UnkId)
        {
            Emit(Encoding.UTF8.GetBytes(_model.UnkSurface));
            return;
        }
        var piece = _model.Pieces[id];
        if (_atStart && (_model.AddDummyPrefix || _model.RemoveExtraWhitespaces) && piece.StartsWith(Utf8.Meta))
        {
            piece = piece[Utf8.Meta.Length..];
            // Where extra white space is removed, all of it at the start goes, not just the dummy prefix.
            _strippedSpace = !_model.RemoveExtraWhitespaces;
        }
        EmitPiece(piece);
    }

    public override void Flush()
    {
        FlushBytes();
        Output.Finish();
    }

    private void EmitPiece(ReadOnlySpan<byte> piece)
    {
        while (piece.Length > 0)
        {
            var meta = piece.IndexOf(Utf8.Meta);
            Emit(meta < 0 ? piece : piece[..meta]);
            if (meta < 0) return;
            Emit(" "u8);
            piece = piece[(meta + Utf8.Meta.Length)..];
        }
    }

    private void TakeCharacters()
    {
        Span<byte> bytes = stackalloc byte[4];
        while (_bytes.Count > 0)
        {
            var head = bytes[..Math.Min(4, _bytes.Count)];
            for (var i = 0; i < head.Length; i++) head[i] = _bytes[i];
            var status = Rune.DecodeFromUtf8(head, out _, out var length);
            if (status == OperationStatus.NeedMoreData) return;
            if (status != OperationStatus.Done) length = 1;
            Emit(status == OperationStatus.Done ? head[..length] : Utf8.Replacement);
            _bytes.RemoveRange(0, length);
        }
    }

    private void FlushBytes()
    {
        while (_bytes.Count > 0)
        {
            Emit(Utf8.Replacement);
            _bytes.RemoveAt(0);
            TakeCharacters();
        }
    }

    private void Emit(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty) return;
        _empty = false;
        Output.Append(text);
    }
}
