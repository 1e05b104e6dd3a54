using System.Text;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Engine;

/// <summary>A request's text as it grows, and what of it has been handed out.</summary>
internal sealed class OutputState
{
    private readonly Sequence _sequence;
    private readonly OutputCollector _collector;
    private readonly IncrementalDetokenizer? _detokenizer;
    private readonly StringBuilder _text = new();
    private readonly int _longestStop;
    private int _textSent;
    private int _tokensSent;

    public OutputState(Sequence sequence, Tokenizer? tokenizer, OutputCollector collector)
    {
        (_sequence, _collector) = (sequence, collector);
        if (tokenizer is not null) _detokenizer = new IncrementalDetokenizer(tokenizer, sequence.Tokens, sequence.Parameters.SkipSpecialTokens);
        _longestStop = sequence.Parameters.Stop.Count == 0 ? 0 : sequence.Parameters.Stop.Max(s => s.Length);
    }

    /// <summary>Adds the text of the last token, up to a stop string, which it returns.</summary>
    /// <param name="hideToken">The token ended the text and is no part of it.</param>
    /// <param name="ends">No more tokens follow.</param>
    public string? Append(bool hideToken, bool ends)
    {
        if (_detokenizer is null) return null;
        var before = _text.Length;
        if (!hideToken) _text.Append(_detokenizer.Append(_sequence.Tokens[^1]));
        if (ends) _text.Append(_detokenizer.Flush());
        if (_longestStop == 0 || _sequence.OutputLength <= _sequence.Parameters.MinTokens) return null;

        var start = Math.Max(0, before - _longestStop + 1);
        var tail = _text.ToString(start, _text.Length - start);
        if (StopStrings.Find(tail, before - start, _sequence.Parameters.Stop) is not { } found) return null;
        _text.Length = start + found.Index + (_sequence.Parameters.IncludeStopStringInOutput ? found.Stop.Length : 0);
        return found.Stop;
    }

    /// <summary>Hands out what is new, unless the request wants all of it at its end.</summary>
    public void Publish()
    {
        var finished = _sequence.FinishReason is not null;
        if (_sequence.Failure is { } failure)
        {
            _collector.Fail(failure);
            return;
        }

        if (_sequence.Parameters.OutputKind == OutputKind.FinalOnly && !finished) return;
        var visible = finished ? _text.Length : Math.Max(_textSent, _text.Length - HeldBack());
        var progress = new OutputProgress(_sequence.FinishReason, _sequence.StopReason, _sequence.Times.ToMetrics(_sequence));
        _collector.Publish(_text, _textSent..visible, _sequence.OutputTokens[_tokensSent..], progress);
        (_textSent, _tokensSent) = (visible, _sequence.OutputLength);
    }

    public void Fail(Exception failure) => _collector.Fail(failure);

    private int HeldBack()
    {
        if (_longestStop <= 1) return 0;
        var length = Math.Min(_text.Length, _longestStop - 1);
        return StopStrings.HeldBack(_text.ToString(_text.Length - length, length), _sequence.Parameters.Stop);
    }
}
