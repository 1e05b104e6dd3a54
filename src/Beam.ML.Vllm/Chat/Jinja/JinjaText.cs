using System.Text;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>A text that is being made: whatever is added is counted, and it cannot grow beyond the longest.</summary>
internal sealed class JinjaText(JinjaLimits limits)
{
    private readonly StringBuilder _text = new();

    public JinjaLimits Limits => limits;

    public JinjaText Append(ReadOnlySpan<char> text)
    {
        Count(text.Length);
        _text.Append(text);
        return this;
    }

    public JinjaText Append(char character)
    {
        Count(1);
        _text.Append(character);
        return this;
    }

    public override string ToString() => _text.ToString();

    private void Count(int length)
    {
        if (_text.Length + (long)length > JinjaLimits.MaxText) throw JinjaLimits.TextTooLong;
        limits.Read(length);
    }
}
