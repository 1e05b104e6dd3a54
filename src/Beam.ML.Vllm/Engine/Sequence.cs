using System.Diagnostics;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

internal enum SequenceStatus
{
    /// <summary>Not yet, or no longer, known to the scheduler.</summary>
    Outside,
    Waiting,
    Running,
}

internal enum FinishReason
{
    Stop,
    Length,
    Abort,
    Error,
    Repetition,
}

/// <summary>
/// One request on its way through the engine: its tokens, how many of them the cache holds, and the blocks that hold them. Only the step
/// loop touches it once it has been added.
/// </summary>
internal sealed class Sequence
{
    // The prompt itself, which others share, until there is a token to add.
    private int[] _tokens;
    private BlockHash? _hashRoot;

    /// <param name="requestId">The request's id, which its other sequences have as well.</param>
    /// <param name="prompt">The prompt. It is kept and never written to: a request's sequences share it.</param>
    /// <param name="parameters">How to sample and when to stop.</param>
    /// <param name="samplerState">The sequence's random numbers.</param>
    /// <param name="priority">Lower is served first, under the priority policy.</param>
    public Sequence(string requestId, int[] prompt, SamplingParams parameters, SamplerState samplerState, int priority = 0)
    {
        RequestId = requestId;
        Parameters = parameters;
        SamplerState = samplerState;
        Priority = priority;
        PromptLength = Length = prompt.Length;
        _tokens = prompt;
        if (parameters.RepetitionDetection is { MaxPatternSize: > 0 } repetition) Repetition = new RepetitionDetector(repetition);
    }

    public string RequestId { get; }

    public SamplingParams Parameters { get; }

    public SamplerState SamplerState { get; }

    public int Priority { get; }

    /// <summary>The adapter that it is computed with; its keys and values are shared only with sequences that have the same one.</summary>
    public LoraAdapter? Lora { get; init; }

    /// <summary>The step in which it first waited for room for its adapter while others went before; null if none did since it last ran.</summary>
    public long? PassedOverSince { get; set; }

    /// <summary>The order of first come, first served: the scheduler's count of arrivals, which the steps of a beam search have in common.</summary>
    public long Arrival { get; set; }

    /// <summary>The scheduler's count at this very sequence's arrival: no other has it.</summary>
    public long Number { get; set; }

    public int PromptLength { get; }

    /// <summary>Tokens known: the prompt and what was generated.</summary>
    public int Length { get; private set; }

    public int OutputLength => Length - PromptLength;

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Length);

    /// <summary>Guesses at the tokens that follow the known ones. A step computes them as well, and keeps those that come true.</summary>
    public ReadOnlySpan<int> Draft => _tokens.AsSpan(Length, DraftLength);

    public int DraftLength { get; private set; }

    /// <summary>What drafts are taken from; null until one is asked for.</summary>
    public NgramIndex? Ngrams { get; set; }

    /// <summary>What tells whether the output goes round in circles; null if it may.</summary>
    public RepetitionDetector? Repetition { get; }

    public ReadOnlySpan<int> OutputTokens => _tokens.AsSpan(PromptLength, OutputLength);

    /// <summary>Tokens whose keys and values are in the cache, or will be after the step under way.</summary>
    public int ComputedTokens { get; set; }

    /// <summary>The blocks of positions 0, block size, 2 × block size …</summary>
    public List<int> BlockTable { get; } = [];

    /// <summary>
    /// What the chain of its blocks' hashes begins with: what an adapter computes of the same tokens is something else, and a salt keeps
    /// requests to themselves.
    /// </summary>
    public BlockHash HashRoot => _hashRoot ??= Parameters.CacheSalt is { } salt ? BlockHash.Salted(Lora?.Identity ?? default, salt) : Lora?.Identity ?? default;

    /// <summary>The hashes of the prompt's leading full blocks that were needed so far; a request's sequences share them.</summary>
    public List<BlockHash> PromptBlockHashes { get; init; } = [];

    /// <summary>Those of the full blocks behind them; tokens are only ever appended, so they stay.</summary>
    public List<BlockHash> BlockHashes { get; } = [];

    public SequenceStatus Status { get; set; }

    public FinishReason? FinishReason { get; private set; }

    public object? StopReason { get; private set; }

    /// <summary>The error that ended this request alone.</summary>
    public Exception? Failure { get; private set; }

    public SequenceTimes Times { get; } = new();

    /// <summary>Whether the sequence wants its last token's hidden state and no further token.</summary>
    public bool Pools { get; init; }

    /// <summary>The arrival of the beam search that it is a step of; null if it is none.</summary>
    public SearchArrival? Search { get; init; }

    /// <summary>Whether it is a step of a beam search, which is counted as a whole.</summary>
    public bool IsSearchStep => Search is not null;

    /// <summary>Positions of the prompt whose log probabilities are known, if they were asked for; the first has none.</summary>
    public int PromptLogprobs { get; set; } = 1;

    /// <summary>Whether log probabilities of the prompt are still to be computed.</summary>
    public bool WantsPromptLogprobs => Parameters.PromptLogprobs is not null && PromptLogprobs < PromptLength;

    /// <summary>Whether cached blocks may stand for its beginning: not where each position has to be computed.</summary>
    public bool ReadsPrefixCache => Parameters.SkipReadingPrefixCache != true && !WantsPromptLogprobs;

    /// <summary>Adds a token; a draft has served its time then.</summary>
    public void Append(int token)
    {
        MakeRoom(1);
        _tokens[Length++] = token;
        DraftLength = 0;
    }

    public void SetDraft(ReadOnlySpan<int> tokens)
    {
        DraftLength = tokens.Length;
        if (tokens.IsEmpty) return;
        MakeRoom(tokens.Length);
        tokens.CopyTo(_tokens.AsSpan(Length));
    }

    private void MakeRoom(int count)
    {
        if (Length + count <= _tokens.Length) return;

        // There is never room behind a shared prompt, so this is where a sequence gets an array of its own.
        var expected = OutputLength == 0 ? Length + Math.Clamp(Parameters.MaxTokens ?? 64, 1, 1024) : 2 * Length;
        var longer = new int[Math.Max(Length + count, expected)];
        Tokens.CopyTo(longer);
        _tokens = longer;
    }

    /// <summary>Some of the known tokens and, behind them, of the draft.</summary>
    public ReadOnlySpan<int> TokensAndDraft(int first, int count) => _tokens.AsSpan(0, Length + DraftLength).Slice(first, count);

    /// <summary>Ends the sequence; the first reason stands.</summary>
    public void Finish(FinishReason reason, object? stopReason = null, Exception? failure = null)
    {
        if (FinishReason is not null) return;
        (FinishReason, StopReason, Failure) = (reason, stopReason, failure);
        Times.Finished = Stopwatch.GetTimestamp();
    }
}

/// <summary>When a beam search came, which is its first step's arrival: the others do not queue anew. For the step loop alone.</summary>
internal sealed class SearchArrival
{
    public long? Value { get; set; }
}

/// <summary>When a request passed which point (in <see cref="Stopwatch"/> ticks, 0 for not yet), and counts of its steps.</summary>
internal sealed class SequenceTimes
{
    public DateTimeOffset ArrivalTime { get; } = DateTimeOffset.UtcNow;

    public long Arrived { get; } = Stopwatch.GetTimestamp();

    public long Scheduled { get; set; }

    public long FirstToken { get; set; }

    public long LastToken { get; set; }

    public long Finished { get; set; }

    public int CachedTokens { get; set; }

    public int Preemptions { get; set; }

    public int Steps { get; set; }

    public long BatchSizes { get; set; }

    /// <summary>Adds those of a step of a beam search to the search's own.</summary>
    public void AddStep(SequenceTimes step)
    {
        if (Scheduled == 0) (Scheduled, FirstToken, CachedTokens) = (step.Scheduled, step.FirstToken, step.CachedTokens);
        LastToken = Math.Max(LastToken, step.LastToken);
        Preemptions += step.Preemptions;
        Steps += step.Steps;
        BatchSizes += step.BatchSizes;
    }
}
