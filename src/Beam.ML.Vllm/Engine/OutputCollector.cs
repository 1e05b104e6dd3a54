using System.Text;
using System.Threading.Channels;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Hands one request's text and tokens, of all its completions, from the step loop to its reader. The loop only ever adds what is new,
/// whatever the output kind; outputs are made from it on the reader's thread. A reader that is slower than the engine finds what it
/// missed in one output, so the loop never waits.
/// </summary>
internal sealed class OutputCollector
{
    private readonly Lock _lock = new();
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly string _requestId;
    private readonly string? _prompt;
    private readonly IReadOnlyList<int> _promptIds;
    private readonly SamplingParams _parameters;
    private readonly CompletionBuffer[] _completions;
    private readonly RequestTotals _totals = new();

    // Those with news: what an output costs is to depend on them alone, of however many there are. The second list is the reader's.
    private List<CompletionBuffer> _news = [];
    private List<CompletionBuffer> _taken = [];
    private IReadOnlyList<PositionLogprobs?>? _promptLogprobs;
    private Exception? _failure;
    private bool _delivered;
    private int _ended;
    private int _endsTaken;
    private int _closed;
    private int _longest;

    /// <param name="requestId">The request's id.</param>
    /// <param name="prompt">The prompt as text, where it was given as text.</param>
    /// <param name="promptIds">The prompt's tokens. They are kept, and handed out to read only.</param>
    /// <param name="parameters">The request's own parameters: how many completions there are, and what outputs show of them.</param>
    public OutputCollector(string requestId, string? prompt, int[] promptIds, SamplingParams parameters)
    {
        (_requestId, _prompt, _promptIds, _parameters) = (requestId, prompt, Array.AsReadOnly(promptIds), parameters);
        Stops = parameters.Stop.Count == 0 ? null : new StopStrings(parameters.Stop);
        _completions = new CompletionBuffer[parameters.Sequences];
        for (var i = 0; i < _completions.Length; i++) _completions[i] = new CompletionBuffer(i, parameters);
    }

    /// <summary>The request's own parameters.</summary>
    public SamplingParams Parameters => _parameters;

    /// <summary>What finds the request's stop strings, in the text of any of its completions; null if it has none.</summary>
    public StopStrings? Stops { get; }

    /// <summary>What a pooling request came to.</summary>
    public float[]? Pooled { get; private set; }

    /// <summary>Adds a piece of the text and tokens of one completion.</summary>
    public void Publish(int index, StringBuilder text, Range piece, ReadOnlySpan<int> tokens, List<PositionLogprobs>? logprobs, in RequestProgress progress)
    {
        lock (_lock)
        {
            // Where one completion has failed the request has: the others' news would only put that off.
            if (_failure is not null) return;
            var completion = _completions[index];
            if (!completion.HasNews) _news.Add(completion);
            if (progress.FinishReason is not null && !completion.HasEnded) _ended++;
            completion.Add(text, piece, tokens, logprobs, progress);
        }

        _signal.Writer.TryWrite(true);
    }

    /// <summary>Adds the prompt's log probabilities, all at once. They come out with the first tokens.</summary>
    public void PublishPrompt(IReadOnlyList<PositionLogprobs?> logprobs)
    {
        lock (_lock) _promptLogprobs = logprobs;
    }

    /// <summary>Adds what a pooling request came to; its last output follows.</summary>
    public void PublishPooled(float[] pooled)
    {
        lock (_lock) Pooled = pooled;
    }

    /// <summary>Notes that a completion has ended; with the last one, returns the tokens of the longest. For the step loop alone.</summary>
    public int? Close(int tokens)
    {
        _longest = Math.Max(_longest, tokens);
        return ++_closed == _completions.Length ? _longest : null;
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
        lock (_lock)
        {
            var ready = _parameters.OutputKind == OutputKind.FinalOnly ? _ended == _completions.Length : _news.Count > 0;
            if (!ready) return _failure is { } failure ? throw failure : null;
            foreach (var completion in _news) completion.Swap();
            (_news, _taken, _endsTaken) = (_taken, _news, _ended);
        }

        foreach (var completion in _taken) _totals.Replace(completion.Shown, completion.Taken, isFirst: completion.Index == 0);
        if (_parameters.OutputKind == OutputKind.Delta) _taken.Sort(static (a, b) => a.Index.CompareTo(b.Index));
        IReadOnlyList<CompletionBuffer> shown = _parameters.OutputKind == OutputKind.Delta ? _taken : _completions;
        var outputs = new CompletionOutput[shown.Count];
        for (var i = 0; i < outputs.Length; i++) outputs[i] = shown[i].ToOutput();
        _taken.Clear();
        if (outputs.Length > _parameters.N) outputs = Best(outputs);
        var promptLogprobs = _parameters.OutputKind == OutputKind.Delta && _delivered ? null : _promptLogprobs;
        _delivered = true;
        return new RequestOutput
        {
            RequestId = _requestId,
            Prompt = _prompt,
            PromptTokenIds = _promptIds,
            PromptLogprobs = promptLogprobs,
            Outputs = outputs,
            Finished = _endsTaken == _completions.Length,
            Metrics = _totals.ToMetrics(),
        };
    }

    /// <summary>The likeliest completions, numbered by their place.</summary>
    private CompletionOutput[] Best(CompletionOutput[] outputs) =>
        [.. outputs.OrderByDescending(o => _completions[o.Index].Taken.CumulativeLogprob).Take(_parameters.N).Select((o, i) => o with { Index = i })];

    /// <summary>One completion on its way: what is new, which the loop adds to, and what the reader has taken.</summary>
    private sealed class CompletionBuffer(int index, SamplingParams parameters)
    {
        private readonly bool _cumulative = parameters.OutputKind == OutputKind.Cumulative;
        private readonly bool _showLogprobs = parameters.NumLogprobs is not null;

        // What is new since the last output.
        private StringBuilder _newText = new();
        private List<int> _newTokens = [];
        private List<PositionLogprobs> _newLogprobs = [];
        private RequestProgress _progress;

        // What the reader took last; it goes back empty at the next exchange.
        private StringBuilder _takenText = new();
        private List<int> _takenTokens = [];
        private List<PositionLogprobs> _takenLogprobs = [];

        // All so far. Only the reader has these; outputs share the lists, which are only ever appended to.
        private readonly StringBuilder _text = new();
        private readonly GrowingList<int> _tokens = new();
        private readonly GrowingList<PositionLogprobs> _logprobs = new();

        // What was shown last, while there is nothing new to it.
        private CompletionOutput? _output;

        public int Index => index;

        public bool HasNews { get; private set; }

        public bool HasEnded => _progress.FinishReason is not null;

        /// <summary>Where the completion stood when it was taken.</summary>
        public RequestProgress Taken { get; private set; }

        /// <summary>Where it stood in the output before.</summary>
        public RequestProgress Shown { get; private set; }

        public void Add(StringBuilder text, Range piece, ReadOnlySpan<int> tokens, List<PositionLogprobs>? logprobs, in RequestProgress progress)
        {
            var (start, length) = piece.GetOffsetAndLength(text.Length);
            _newText.Append(text, start, length);
            _newTokens.AddRange(tokens);
            if (logprobs is not null) _newLogprobs.AddRange(logprobs);
            _progress = progress;
            HasNews = true;
        }

        /// <summary>Takes what is new. Under the lock, so that nothing is copied here.</summary>
        public void Swap()
        {
            (_newText, _takenText) = (_takenText, _newText);
            (_newTokens, _takenTokens) = (_takenTokens, _newTokens);
            (_newLogprobs, _takenLogprobs) = (_takenLogprobs, _newLogprobs);
            (Taken, HasNews, _output) = (_progress, false, null);
        }

        public CompletionOutput ToOutput()
        {
            if (_output is not null) return _output;
            var text = _cumulative ? _text.Append(_takenText).ToString() : _takenText.ToString();
            IReadOnlyList<int> tokens = _cumulative ? _tokens.Append(_takenTokens) : [.. _takenTokens];
            IReadOnlyList<PositionLogprobs>? logprobs = !_showLogprobs ? null : _cumulative ? _logprobs.Append(_takenLogprobs) : [.. _takenLogprobs];
            _takenText.Clear();
            _takenTokens.Clear();
            _takenLogprobs.Clear();
            Shown = Taken;
            return _output = new CompletionOutput(index, text, tokens, Taken.FinishReason?.ToString().ToLowerInvariant(), Taken.StopReason)
            {
                Logprobs = logprobs,
                CumulativeLogprob = _showLogprobs ? Taken.CumulativeLogprob : null,
            };
        }
    }

    /// <summary>A list that is only appended to: what it returned before stays as it was, without a copy.</summary>
    private sealed class GrowingList<T>
    {
        private T[] _items = [];
        private int _count;

        public ArraySegment<T> Append(List<T> added)
        {
            if (_items.Length - _count < added.Count) Array.Resize(ref _items, Math.Max(_count + added.Count, 2 * _items.Length));
            added.CopyTo(_items, _count);
            _count += added.Count;
            return new ArraySegment<T>(_items, 0, _count);
        }
    }
}
