using System.Text;

namespace Beam.ML.Vllm.Tokenizers.Decoding;

/// <summary>Collects UTF-8 that arrives in arbitrary pieces and gives out whole characters; what is not UTF-8 becomes U+FFFD.</summary>
internal sealed class Utf8Text
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private char[] _chars = new char[64];
    private int _count;

    public void Append(ReadOnlySpan<byte> utf8)
    {
        Reserve(utf8.Length + 4);
        _count += _decoder.GetChars(utf8, _chars.AsSpan(_count), flush: false);
    }

    /// <summary>Gives up on an unfinished character.</summary>
    public void Finish()
    {
        Reserve(4);
        _count += _decoder.GetChars([], _chars.AsSpan(_count), flush: true);
    }

    /// <summary>Returns the characters finished since the last call.</summary>
    public string Take()
    {
        if (_count == 0) return "";
        var text = new string(_chars, 0, _count);
        _count = 0;
        return text;
    }

    /// <summary>As <see cref="Take"/>, without a string of its own.</summary>
    public void TakeTo(StringBuilder text)
    {
        text.Append(_chars, 0, _count);
        _count = 0;
    }

    private void Reserve(int more)
    {
        if (_chars.Length - _count < more) Array.Resize(ref _chars, Math.Max(_count + more, _chars.Length * 2));
    }
}
