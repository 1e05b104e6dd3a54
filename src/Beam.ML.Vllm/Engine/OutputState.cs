using System.Text;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Tokenizers.Decoding;

namespace Beam.ML.Vllm.Engine;

/// <summary>The text and log probabilities of one sequence as they grow, and what of them has been handed out.</summary>
internal sealed class OutputState
{
    private readonly Sequence _sequence;
    private readonly OutputCollector _collector;
    private readonly Tokenizer? _tokenizer;
    private readonly TokenStream? _stream;
    private readonly StringBuilder _text = new();
    private readonly int _index;
    private readonly Action<int>? _ended;
    private readonly StopStrings? _stops;
    private readonly List<PositionLogprobs>? _logprobs;
    private readonly List<PositionLogprobs?>? _promptLogprobs;
    private char[] _tail = [];
    private double _cumulativeLogprob;
    private int _stopState;
    private int _textSent;
    private int _tokensSent;
    private bool _lastIsSpecial;

    /// <param name="sequence">The sequence.</param>
    /// <param name="tokenizer">What makes text of its tokens; null for none.</param>
    /// <param name="collector">Where outputs go.</param>
    /// <param name="index">The sequence's number among its request's completions.</param>
    /// <param name="ended">Told that number when the sequence has ended.</param>
    public OutputState(Sequence sequence, Tokenizer? tokenizer, OutputCollector collector, int index = 0, Action<int>? ended = null)
    {
        (_sequence, _collector, _index, _ended, _stops) = (sequence, collector, index, ended, collector.Stops);
        var parameters = sequence.Parameters;
        if (tokenizer is not null && parameters.Detokenize)
        {
            _tokenizer = tokenizer;
            _stream = IncrementalDetokenizer.StreamAfter(tokenizer, sequence.Tokens, parameters.SkipSpecialTokens);
        }

        if (parameters.NumLogprobs is not null) _logprobs = [];

        // Nothing comes before the first token that could make it likely.
        if (parameters.PromptLogprobs is not null) _promptLogprobs = [null];
        if (_promptLogprobs is not null && sequence.PromptLength == 1) collector.PublishPrompt(_promptLogprobs);
    }

    /// <summary>The collector that this and the request's other sequences publish to.</summary>
    public OutputCollector Collector => _collector;

    /// <summary>Adds log probabilities of the prompt, from the first position that has none on.</summary>
    public void AppendPrompt(List<LogprobsRow> rows)
    {
        if (_promptLogprobs is null) return;
        foreach (var row in rows) _promptLogprobs.Add(At(_promptLogprobs.Count, row));
        _sequence.PromptLogprobs = _promptLogprobs.Count;
        if (!_sequence.WantsPromptLogprobs) _collector.PublishPrompt(_promptLogprobs);
    }

    /// <summary>Adds the text of the last token, up to a stop string, which it returns.</summary>
    /// <param name="hideToken">The token ended the text and is no part of it.</param>
    /// <param name="ends">No more tokens follow.</param>
    /// <param name="logprobs">The token's log probabilities, if they were asked for.</param>
    public string? Append(bool hideToken, bool ends, LogprobsRow? logprobs = null)
    {
        if (logprobs is not null)
        {
            _cumulativeLogprob += logprobs.Value;
            _logprobs?.Add(At(_sequence.Length - 1, logprobs));
        }

        if (_stream is null) return null;
        var before = _text.Length;
        if (!hideToken) AppendText(_stream, _sequence.Tokens[^1]);
        if (ends) _stream.Flush();
        _stream.Output.TakeTo(_text);
        if (_stops?.Find(Text(before), before, ref _stopState) is not { } found || _sequence.OutputLength <= _sequence.Parameters.MinTokens) return null;
        _text.Length = found.Index + (_sequence.Parameters.IncludeStopStringInOutput ? found.Stop.Length : 0);
        return found.Stop;
    }

    /// <summary>Hands out what is new, unless the request wants more of it at a time.</summary>
    public void Publish()
    {
        var finished = _sequence.FinishReason is not null;
        if (_sequence.Failure is { } failure)
        {
            _collector.Fail(failure);
            return;
        }

        if (!finished && !IsDue()) return;
        var visible = finished ? _text.Length : Math.Max(_textSent, _text.Length - (_stops?.HeldBack(_stopState) ?? 0));
        _collector.Publish(
            _index, _text, _textSent..visible, _sequence.OutputTokens[_tokensSent..], _logprobs, RequestProgress.Of(_sequence, _cumulativeLogprob));
        (_textSent, _tokensSent) = (visible, _sequence.OutputLength);
        _logprobs?.Clear();
    }

    /// <summary>Notes that nothing more comes of the sequence.</summary>
    public void End() => _ended?.Invoke(_index);

    public void Fail(Exception failure) => _collector.Fail(failure);

    private bool IsDue() =>
        _sequence.Parameters.OutputKind != OutputKind.FinalOnly
        && (_tokensSent == 0 || _sequence.OutputLength - _tokensSent >= (_sequence.Parameters.StreamInterval ?? 1));

    private PositionLogprobs At(int position, LogprobsRow row) => new(row, TokenContext.Of(_tokenizer, _sequence.Tokens[..position]));

    private void AppendText(TokenStream stream, int token)
    {
        var start = _text.Length;
        stream.Push(token);
        stream.Output.TakeTo(_text);
        if (_sequence.Parameters.SpacesBetweenSpecialTokens || _sequence.Parameters.SkipSpecialTokens) return;

        // A special token right after another comes out as it is written, without what the tokenizer puts between words.
        var special = _tokenizer!.IsSpecial(token);
        if (special && _lastIsSpecial && _tokenizer.IdToToken(token) is { } bare)
        {
            _text.Length = start;
            _text.Append(bare);
        }

        _lastIsSpecial = special;
    }

    /// <summary>The text from a place on, until the next call.</summary>
    private ReadOnlySpan<char> Text(int start)
    {
        var length = _text.Length - start;
        if (_tail.Length < length) _tail = new char[2 * length];
        _text.CopyTo(start, _tail, length);
        return _tail.AsSpan(0, length);
    }
}
