using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Engine;

/// <summary>Turns chosen tokens into outputs: decides whether a request has ended, decodes its text, and hands it out.</summary>
internal sealed class OutputProcessor(EosTokens eos, int maxModelLength, EngineMetrics metrics)
{
    private readonly Dictionary<Sequence, OutputState> _states = [];

    public long PromptTokens { get; private set; }

    /// <summary>Those of <see cref="PromptTokens"/> that were found in the prefix cache.</summary>
    public long CachedPromptTokens { get; private set; }

    public long GenerationTokens { get; private set; }

    public long FinishedRequests { get; private set; }

    /// <summary>Requests that have not ended.</summary>
    public int Live => _states.Count;

    public void Add(Sequence sequence, OutputState state) => _states.Add(sequence, state);

    /// <summary>Takes a request's next tokens, one by one until it ends.</summary>
    public void Process(Sequence sequence, ReadOnlySpan<int> tokens, ReadOnlySpan<LogprobsRow?> logprobs)
    {
        try
        {
            var state = _states[sequence];
            if (!tokens.IsEmpty) metrics.Tokens(sequence);
            for (var i = 0; i < tokens.Length && sequence.FinishReason is null; i++) Append(sequence, state, tokens[i], logprobs[i]);
        }
        catch (Exception e)
        {
            // Whatever a text runs into is the end of its own request, not of all the others'.
            sequence.Finish(FinishReason.Error, failure: Failed(sequence, e));
        }
    }

    /// <summary>Takes log probabilities of a request's prompt.</summary>
    public void ProcessPrompt(Sequence sequence, List<LogprobsRow> logprobs) => _states[sequence].AppendPrompt(logprobs);

    /// <summary>Takes what a pooling request came to, with which it ends.</summary>
    public void ProcessPooled(Sequence sequence, float[] hidden)
    {
        CountPrompt(sequence);
        _states[sequence].Collector.PublishPooled(hidden);
        sequence.Finish(FinishReason.Stop);
    }

    /// <summary>Hands out what a request has come to; returns whether it has ended. After the last output the request is forgotten.</summary>
    public bool Publish(Sequence sequence)
    {
        var state = _states[sequence];
        if (sequence.FinishReason is not null) Forget(sequence, state);
        try
        {
            state.Publish();
        }
        catch (Exception e)
        {
            state.Fail(Failed(sequence, e));
            if (sequence.FinishReason is not null) return true;
            sequence.Finish(FinishReason.Error);
            Forget(sequence, state);
        }

        return sequence.FinishReason is not null;
    }

    /// <summary>Ends a request from outside, with what it has so far.</summary>
    public void Abort(Sequence sequence)
    {
        if (!_states.ContainsKey(sequence)) return;
        sequence.Finish(FinishReason.Abort);
        Publish(sequence);
    }

    /// <summary>Counts a beam search that has ended, as one request. The tokens of its steps have been counted as they were made.</summary>
    public void CountSearch(Sequence longest)
    {
        CountPrompt(longest);
        FinishedRequests++;
        metrics.Searched(longest);
    }

    /// <summary>Ends every request with an error.</summary>
    public void FailAll(Exception failure)
    {
        foreach (var state in _states.Values) state.Fail(failure);
        _states.Clear();
    }

    private void Append(Sequence sequence, OutputState state, int token, LogprobsRow? logprobs)
    {
        sequence.Append(token);
        GenerationTokens++;
        if (sequence.OutputLength == 1 && !sequence.IsSearchStep) CountPrompt(sequence);
        var end = StopCheck.Check(sequence, eos, maxModelLength);
        var hide = end?.Reason == FinishReason.Stop && !sequence.Parameters.IncludeStopStringInOutput;
        if (state.Append(hide, ends: end is not null, logprobs) is { } stop) end = (FinishReason.Stop, stop);
        if (end is var (reason, stopReason)) sequence.Finish(reason, stopReason);
    }

    private void CountPrompt(Sequence sequence)
    {
        PromptTokens += sequence.PromptLength;
        CachedPromptTokens += sequence.Times.CachedTokens;
    }

    private static RequestFailedException Failed(Sequence sequence, Exception cause) =>
        new($"Request {sequence.RequestId} failed while its output was decoded: {cause.Message}", cause);

    private void Forget(Sequence sequence, OutputState state)
    {
        _states.Remove(sequence);
        state.End();
        if (sequence.IsSearchStep) return;
        FinishedRequests++;
        metrics.Finished(sequence);
        if (state.Collector.Close(sequence.OutputLength) is { } longest) metrics.RequestFinished(state.Collector.Parameters, longest);
    }
}
