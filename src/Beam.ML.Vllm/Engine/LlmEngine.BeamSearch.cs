using System.Diagnostics;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;

namespace Beam.ML.Vllm.Engine;

/// <summary>Beam search, as requests of one token each: what beams have in common, they find in the prefix cache.</summary>
public sealed partial class LlmEngine
{
    /// <summary>
    /// Completes a text by beam search; returns <see cref="BeamSearchParams.BeamWidth"/> completions (fewer, if there are not as many), best
    /// first, with log probabilities and <c>stop</c> (with the end-of-sequence token as the stop reason) or <c>length</c> as finish reasons.
    /// </summary>
    /// <param name="prompt">The prompt; the tokenizer's special tokens, such as a beginning of sequence, are added.</param>
    /// <param name="parameters">How to search.</param>
    /// <param name="requestId">The id that the output carries; one is made if null.</param>
    /// <param name="priority">Lower is served first, under the priority policy.</param>
    /// <param name="lora">The adapter to search with; null for the model itself.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="InvalidRequestException">The request cannot be served as it is.</exception>
    /// <exception cref="EngineDeadException">The engine has stopped.</exception>
    public Task<RequestOutput> BeamSearchAsync(
        string prompt,
        BeamSearchParams parameters,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default)
    {
        if (Tokenizer is null) throw new InvalidRequestException("The engine has no tokenizer (skip_tokenizer_init); give the prompt as token ids.");
        return SearchAsync(Tokenizer.Encode(prompt), prompt, parameters, requestId, priority, lora, cancellationToken);
    }

    /// <summary>As the other overload, for a prompt that is tokens already; nothing is added to them.</summary>
    /// <inheritdoc cref="BeamSearchAsync(string, BeamSearchParams, string?, int, LoraRequest?, CancellationToken)"/>
    public Task<RequestOutput> BeamSearchAsync(
        ReadOnlyMemory<int> promptTokenIds,
        BeamSearchParams parameters,
        string? requestId = null,
        int priority = 0,
        LoraRequest? lora = null,
        CancellationToken cancellationToken = default) =>
        SearchAsync(promptTokenIds.ToArray(), prompt: null, parameters, requestId, priority, lora, cancellationToken);

    private async Task<RequestOutput> SearchAsync(
        int[] promptIds,
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

        RequestCheck.Check(promptIds, MaxModelLength - 1, this);
        var step = new SamplingParams
        {
            Temperature = parameters.Temperature,
            MaxTokens = 1,
            Logprobs = BeamSearch.Candidates(parameters, VocabularySize),
            Detokenize = false,
            OutputKind = OutputKind.FinalOnly,
        };
        var started = Stopwatch.GetTimestamp();
        RequestMetrics? first = null;
        var beams = await new BeamSearch(parameters, _eos, MaxModelLength).RunAsync(promptIds, async beams =>
        {
            var outputs = await Task.WhenAll(beams.Select(beam => NextAsync(beam)));
            first ??= outputs[0].Metrics;
            return Array.ConvertAll(outputs, o => o.Outputs[0].Logprobs![0]);
        });

        var completions = beams.Select((beam, i) => ToCompletion(beam, i, promptIds.Length)).ToArray();
        return new RequestOutput
        {
            RequestId = requestId ?? $"beam-{Guid.NewGuid():N}",
            Prompt = prompt,
            PromptTokenIds = promptIds,
            Outputs = completions,
            Finished = true,
            Metrics = first! with { TotalTime = Stopwatch.GetElapsedTime(started), OutputTokens = completions.Sum(c => c.TokenIds.Count) },
        };

        async Task<RequestOutput> NextAsync(BeamSearchSequence beam)
        {
            var output = await LastAsync(StreamAsync(
                adapter => _inputs.Unchecked(beam.Tokens, null, step, null, priority, adapter), lora, cancellationToken));
            return output.Outputs[0].Logprobs is { Count: 1 } ? output : throw new RequestFailedException("The beam search was aborted.");
        }
    }

    private CompletionOutput ToCompletion(BeamSearchSequence beam, int index, int promptLength)
    {
        var tokens = beam.Tokens[promptLength..];
        var positions = new List<PositionLogprobs>();
        for (var at = beam; at.Parent is not null; at = at.Parent) positions.Add(At(at));
        positions.Reverse();
        return new CompletionOutput(index, TextOf(beam, promptLength), tokens, beam.StopReason is null ? "length" : "stop", beam.StopReason)
        {
            Logprobs = positions,
            CumulativeLogprob = beam.CumulativeLogprob,
        };
    }

    /// <summary>The request sampled a token of its own there; the beam's is another.</summary>
    private PositionLogprobs At(BeamSearchSequence beam) =>
        beam.Position!.Of(beam.Tokens[^1], TokenContext.Of(Tokenizer, beam.Parent!.Tokens));

    private string TextOf(BeamSearchSequence beam, int promptLength)
    {
        if (Tokenizer is null) return "";
        var detokenizer = new IncrementalDetokenizer(Tokenizer, beam.Tokens.AsSpan(0, promptLength));
        var end = beam.Tokens.Length - (beam.StopReason is { } stop && beam.Tokens.Length > promptLength && beam.Tokens[^1] == stop ? 1 : 0);
        foreach (var token in beam.Tokens.AsSpan(promptLength, end - promptLength)) detokenizer.Append(token);
        detokenizer.Flush();
        return detokenizer.Text;
    }
}
