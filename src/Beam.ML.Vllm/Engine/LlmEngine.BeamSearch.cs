using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Beam search, as requests of one token each: what beams have in common, they find in the prefix cache. All of them have the place of the
/// first among the engine's requests.
/// </summary>
public sealed partial class LlmEngine
{
    private int _hasWarnedOfSearch;

    /// <summary>
    /// Completes a text by beam search; returns <see cref="BeamSearchParams.BeamWidth"/> completions (fewer, if there are not as many), best
    /// first, with log probabilities and <c>stop</c> (with the end-of-sequence token as the stop reason) or <c>length</c> as finish reasons.
    /// Without prefix caching each beam is computed from its beginning for every token, which <see cref="EngineOptions.Log"/> hears of.
    /// </summary>
    /// <param name="prompt">The prompt; the tokenizer's special tokens, such as a beginning of sequence, are added.</param>
    /// <param name="parameters">How to search.</param>
    /// <param name="requestId">An id that no live request has; one is made if null. Aborted by it, the search ends with the beams that it has.</param>
    /// <param name="priority">Lower is served first, under the priority policy.</param>
    /// <param name="lora">The adapter to search with; null for the model itself.</param>
    /// <param name="cancellationToken">Ends the search without an outcome.</param>
    /// <exception cref="InvalidRequestException">The request cannot be served as it is.</exception>
    /// <exception cref="EngineDeadException">The engine has stopped.</exception>
    public Task<RequestOutput> BeamSearchAsync(
        string prompt,
        BeamSearchParams parameters,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default) =>
        SearchAsync(() => Encode(prompt), prompt, parameters, requestId, priority, lora, cancellationToken);

    /// <summary>As the other overload, for a prompt that is tokens already; nothing is added to them.</summary>
    /// <inheritdoc cref="BeamSearchAsync(string, BeamSearchParams, string?, int, LoraRequest?, CancellationToken)"/>
    public Task<RequestOutput> BeamSearchAsync(
        ReadOnlyMemory<int> promptTokenIds,
        BeamSearchParams parameters,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default) =>
        SearchAsync(() => promptTokenIds.ToArray(), prompt: null, parameters, requestId, priority, lora, cancellationToken);

    private async Task<RequestOutput> SearchAsync(
        Func<int[]> encode,
        string? prompt,
        BeamSearchParams parameters,
        string? requestId,
        int priority,
        LoraRequest? lora,
        CancellationToken cancellationToken)
    {
        try
        {
            parameters.Validate();
        }
        catch (ArgumentException e)
        {
            throw new InvalidRequestException(e.Message, e);
        }

        var promptIds = encode();
        RequestCheck.Check(promptIds, MaxModelLength - 1, this);
        if (!_options.EnablePrefixCaching && Interlocked.Exchange(ref _hasWarnedOfSearch, 1) == 0)
            _options.Log?.Invoke("Beam search without prefix caching computes each beam from its beginning for every token; enable_prefix_caching spares that.");
        var id = requestId ?? $"beam-{Guid.NewGuid():N}";
        var live = new LiveRequest();
        Register(id, live);
        var accounted = new SamplingParams { N = parameters.BeamWidth, MaxTokens = parameters.MaxTokens };
        var longest = new Sequence(id, promptIds, accounted, new SamplerState(accounted, promptIds), priority);
        var begun = false;
        try
        {
            using var lease = await AcquireAsync(lora, priority, live.Aborted, cancellationToken);
            begun = true;
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, live.Aborted);
            var stepper = new SearchSteps(this, id, parameters, priority, lease?.Adapter, longest.Times, stop.Token);
            var aborted = false;
            var beams = await new BeamSearch(parameters, _eos, MaxModelLength).RunAsync(promptIds, async beams =>
            {
                try
                {
                    stop.Token.ThrowIfCancellationRequested();
                    return await stepper.NextAsync(beams);
                }
                catch (OperationCanceledException) when (live.Aborted.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
                {
                    aborted = true;
                    return null;
                }
            });

            var completions = beams.Select((beam, i) => ToCompletion(beam, i, promptIds.Length, unfinished: aborted ? "abort" : "length")).ToArray();
            foreach (var token in completions.MaxBy(c => c.TokenIds.Count)!.TokenIds) longest.Append(token);
            longest.Finish(aborted ? FinishReason.Abort : beams[0].StopReason is null ? FinishReason.Length : FinishReason.Stop);
            await Task.WhenAny(Count(longest), _ended.Task);
            return new RequestOutput
            {
                RequestId = id,
                Prompt = prompt,
                PromptTokenIds = promptIds,
                Outputs = completions,
                Finished = true,
                Metrics = MetricsOf(longest) with { OutputTokens = completions.Sum(c => c.TokenIds.Count) },
            };
        }
        finally
        {
            _live.TryRemove(id, out _);
            if (begun && longest.FinishReason is null)
            {
                longest.Finish(cancellationToken.IsCancellationRequested ? FinishReason.Abort : FinishReason.Error);
                _ = Count(longest);
            }
        }
    }

    /// <summary>Has the step loop count a search; completes when it has.</summary>
    private Task Count(Sequence longest)
    {
        var counted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _searches.Enqueue((longest, counted));
        Wake();
        return counted.Task;
    }

    private static RequestMetrics MetricsOf(Sequence longest)
    {
        var totals = new RequestTotals();
        totals.Replace(default, RequestProgress.Of(longest, 0), isFirst: true);
        return totals.ToMetrics();
    }

    private CompletionOutput ToCompletion(BeamSearchSequence beam, int index, int promptLength, string unfinished)
    {
        var tokens = beam.ToTokens();
        var positions = new PositionLogprobs[tokens.Length - promptLength];
        for (var at = beam; at.Parent is not null; at = at.Parent)
        {
            // The request sampled a token of its own there; the beam's is another.
            positions[at.Length - 1 - promptLength] = at.Position!.Of(at.Token, TokenContext.Of(Tokenizer, tokens.AsSpan(0, at.Length - 1)));
        }

        return new CompletionOutput(
            index, TextOf(tokens, promptLength, beam.StopReason), tokens[promptLength..], beam.StopReason is null ? unfinished : "stop", beam.StopReason)
        {
            Logprobs = positions,
            CumulativeLogprob = beam.CumulativeLogprob,
        };
    }

    private string TextOf(ReadOnlySpan<int> tokens, int promptLength, int? stop)
    {
        if (Tokenizer is null) return "";
        var detokenizer = new IncrementalDetokenizer(Tokenizer, tokens[..promptLength]);
        var end = tokens.Length - (tokens.Length > promptLength && tokens[^1] == stop ? 1 : 0);
        foreach (var token in tokens[promptLength..end]) detokenizer.Append(token);
        detokenizer.Flush();
        return detokenizer.Text;
    }

    /// <summary>The steps of one search: a request of one token for each beam, all with the search's own lease on its adapter.</summary>
    private sealed class SearchSteps(
        LlmEngine engine, string id, BeamSearchParams parameters, int priority, LoraAdapter? adapter, SequenceTimes times, CancellationToken cancellationToken)
    {
        private readonly SearchArrival _arrival = new();

        private readonly SamplingParams _step = new()
        {
            Temperature = parameters.Temperature,
            MaxTokens = 1,
            Logprobs = BeamSearch.Candidates(parameters, engine.VocabularySize),
            Detokenize = false,
            OutputKind = OutputKind.FinalOnly,
            CacheSalt = parameters.CacheSalt,
        };

        // Of the last step's beams: those that continue them have the same blocks, but for a new one at times.
        private Dictionary<BeamSearchSequence, List<BlockHash>> _hashes = new(ReferenceEqualityComparer.Instance);

        public async Task<PositionLogprobs[]> NextAsync(IReadOnlyList<BeamSearchSequence> beams)
        {
            var hashes = new Dictionary<BeamSearchSequence, List<BlockHash>>(ReferenceEqualityComparer.Instance);
            foreach (var beam in beams) hashes.Add(beam, beam.Parent is { } parent ? [.. _hashes[parent]] : []);
            _hashes = hashes;
            return await Task.WhenAll(beams.Select(NextAsync));
        }

        private async Task<PositionLogprobs> NextAsync(BeamSearchSequence beam)
        {
            var tokens = beam.ToTokens();
            var sequence = new Sequence(id, tokens, _step, new SamplerState(_step, tokens), priority)
            {
                Lora = adapter, PromptBlockHashes = _hashes[beam], Search = _arrival,
            };
            var collector = new OutputCollector(id, prompt: null, tokens, _step);
            var request = new RequestGroup(id, collector, [(sequence, new OutputState(sequence, tokenizer: null, collector))], priority) { GoesOn = beam.Parent is not null };
            var output = await LastAsync(engine.ServeAsync(request, cancellationToken));
            lock (times) times.AddStep(sequence.Times);
            return output.Outputs[0].Logprobs is [var next] ? next : throw new RequestFailedException("The beam search was aborted.");
        }
    }
}
