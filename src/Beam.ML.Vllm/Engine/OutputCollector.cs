using System.Text;
using System.Threading.Channels;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Hands one request's text and tokens from the step loop to its reader. The loop only ever adds what is new, whatever the output kind;
/// outputs are made from it on the reader's thread. A reader that is slower than the engine finds what it missed in one output, so the
/// loop never waits.
/// </summary>
internal sealed class OutputCollector(string requestId, string? prompt, int[] promptIds, OutputKind kind)
{
    private readonly Lock _lock = new();
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    // What is new since the last output.
    private readonly StringBuilder _newText = new();
    private readonly List<int> _newTokens = [];
    private OutputProgress? _progress;
    private Exception? _failure;

    // All so far. Only the reader has these; outputs share the tokens, which are only ever appended to.
    private readonly StringBuilder _text = new();
    private int[] _tokens = [];
    private int _tokenCount;

    /// <summary>Adds a piece of the text and tokens.</summary>
    public void Publish(StringBuilder text, Range piece, ReadOnlySpan<int> tokens, OutputProgress progress)
    {
        var (start, length) = piece.GetOffsetAndLength(text.Length);
        lock (_lock)
        {
            _newText.Append(text, start, length);
            _newTokens.AddRange(tokens);
            _progress = progress;
        }

        _signal.Writer.TryWrite(true);
    }

    /// <summary>Ends the stream with an error, after what was published.</summary>
    public void Fail(Exception failure)
    {
        lock (_lock) _failure ??= failure;
        _signal.Writer.TryWrite(true);
    }

    /// <summary>The next output, as soon as there is one.</summary>
    public async ValueTask<RequestOutput> TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (TryTake() is { } output) return output;
            await _signal.Reader.ReadAsync(cancellationToken);
        }
    }

    private RequestOutput? TryTake()
    {
        OutputProgress progress;
        string text;
        int[] tokens;
        lock (_lock)
        {
            if (_progress is not { } next) return _failure is { } failure ? throw failure : null;
            (progress, text, tokens) = (next, _newText.ToString(), [.. _newTokens]);
            _newText.Clear();
            _newTokens.Clear();
            _progress = null;
        }

        var completion = new CompletionOutput(Index: 0, TextOf(text), TokensOf(tokens), progress.FinishReason?.ToString().ToLowerInvariant(), progress.StopReason);
        return new RequestOutput
        {
            RequestId = requestId,
            Prompt = prompt,
            PromptTokenIds = promptIds,
            Outputs = [completion],
            Finished = progress.FinishReason is not null,
            Metrics = progress.Metrics,
        };
    }

    private string TextOf(string added) => kind == OutputKind.Cumulative ? _text.Append(added).ToString() : added;

    private IReadOnlyList<int> TokensOf(int[] added)
    {
        if (kind != OutputKind.Cumulative) return added;
        if (_tokens.Length - _tokenCount < added.Length) Array.Resize(ref _tokens, Math.Max(_tokenCount + added.Length, 2 * _tokens.Length));
        added.CopyTo(_tokens, _tokenCount);
        _tokenCount += added.Length;
        return new ArraySegment<int>(_tokens, 0, _tokenCount);
    }
}

/// <summary>Where a request stands at an output.</summary>
internal sealed record OutputProgress(FinishReason? FinishReason, object? StopReason, RequestMetrics Metrics);
