using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// What a step came to, entry by entry as it was scheduled: the tokens sampled (none while a prompt is being read, one, or more where
/// drafts were accepted) and, for requests that ask for them, log probabilities. Reused step after step; different entries may be
/// filled by different threads at a time.
/// </summary>
internal sealed class ModelRunnerOutput
{
    // An entry of t tokens samples at most t: its tokens start where its rows do.
    private int[] _tokens = new int[64];
    private LogprobsRow?[] _logprobs = new LogprobsRow?[64];
    private Entry[] _entries = new Entry[64];
    private int _count;

    /// <summary>Makes room for a step's outcome; no entry has any yet.</summary>
    public void Begin(SchedulerOutput step)
    {
        Array.Clear(_entries, 0, _count);
        Array.Clear(_logprobs);
        _count = step.Scheduled.Count;
        if (_entries.Length < _count) _entries = new Entry[Math.Max(_count, 2 * _entries.Length)];
        if (_tokens.Length < step.TotalTokens)
        {
            var length = Math.Max(step.TotalTokens, 2 * _tokens.Length);
            (_tokens, _logprobs) = (new int[length], new LogprobsRow?[length]);
        }

        var start = 0;
        for (var i = 0; i < _count; i++)
        {
            _entries[i].Start = start;
            start += step.Scheduled[i].Tokens;
        }
    }

    /// <summary>Adds the next token of an entry.</summary>
    public void Add(int entry, int token, LogprobsRow? logprobs = null)
    {
        ref var place = ref _entries[entry];
        _tokens[place.Start + place.Tokens] = token;
        _logprobs[place.Start + place.Tokens] = logprobs;
        place.Tokens++;
    }

    /// <summary>The tokens sampled for an entry, in their order.</summary>
    public ReadOnlySpan<int> Tokens(int entry) => _tokens.AsSpan(_entries[entry].Start, _entries[entry].Tokens);

    /// <summary>Log probabilities of an entry's tokens, each null where its request does not ask for them.</summary>
    public ReadOnlySpan<LogprobsRow?> Logprobs(int entry) => _logprobs.AsSpan(_entries[entry].Start, _entries[entry].Tokens);

    /// <summary>Adds the log probabilities of an entry's next position of the prompt.</summary>
    public void AddPrompt(int entry, LogprobsRow logprobs) => (_entries[entry].Prompt ??= []).Add(logprobs);

    /// <summary>Log probabilities of the prompt that an entry came to, from the first position that was wanted; null for none.</summary>
    public List<LogprobsRow>? PromptLogprobs(int entry) => _entries[entry].Prompt;

    /// <summary>Sets the last hidden state of an entry that pools.</summary>
    public void SetPooled(int entry, float[] hidden) => _entries[entry].Pooled = hidden;

    /// <summary>The last hidden state of an entry that pools, once it is there.</summary>
    public float[]? Pooled(int entry) => _entries[entry].Pooled;

    private struct Entry
    {
        public List<LogprobsRow>? Prompt;
        public float[]? Pooled;
        public int Start;
        public int Tokens;
    }
}
