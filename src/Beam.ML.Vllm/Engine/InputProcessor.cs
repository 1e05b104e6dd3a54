using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.StructuredOutput.Automata;

namespace Beam.ML.Vllm.Engine;

/// <summary>Checks what callers ask for and makes the sequences that the step loop serves.</summary>
internal sealed class InputProcessor(LlmEngine engine, EosTokens eos)
{
    private readonly int[] _eosTokenIds = eos.ToArray();
    private readonly StructuredOutputCompiler? _structures = engine.Tokenizer is null ? null : new StructuredOutputCompiler(engine.Tokenizer);
    private long _requestCount;

    /// <summary>Checks what prompts share and does once what is the same for all of them, on the caller's thread: words to tokens, a constraint to an automaton.</summary>
    /// <exception cref="InvalidRequestException">The parameters cannot be served as they are.</exception>
    public PreparedParams Prepare(SamplingParams parameters, CancellationToken cancellationToken = default)
    {
        RequestCheck.Check(parameters, engine);
        cancellationToken.ThrowIfCancellationRequested();
        return new PreparedParams(WithBadWords(WithInterval(parameters)), ConstraintOf(parameters, cancellationToken));
    }

    /// <summary>A request for text.</summary>
    /// <exception cref="InvalidRequestException">The prompt cannot be served as it is.</exception>
    public RequestGroup Generation(
        ReadOnlySpan<int> promptIds, string? prompt, PreparedParams prepared, string? requestId, int priority, LoraAdapter? adapter = null)
    {
        promptIds = RequestCheck.Truncate(promptIds, prepared.Parameters, engine.MaxModelLength);
        RequestCheck.Check(promptIds, engine.MaxModelLength - 1, engine);
        if (prepared.Parameters.MaxTokens is null && engine.MaxModelLength - promptIds.Length is var room && prepared.Parameters.MinTokens > room)
        {
            throw new InvalidRequestException(
                $"min_tokens must be less than or equal to max_tokens={room}, which is what the context has left after the prompt, got {prepared.Parameters.MinTokens}.") { Field = "min_tokens" };
        }

        return Make(promptIds, prompt, prepared, requestId, priority, adapter);
    }

    private RequestGroup Make(ReadOnlySpan<int> promptIds, string? prompt, PreparedParams prepared, string? requestId, int priority, LoraAdapter? adapter)
    {
        var (parameters, constraint) = (prepared.Parameters, prepared.Constraint);
        var count = parameters.Sequences;
        var number = Interlocked.Add(ref _requestCount, count) - count + 1;
        var id = requestId ?? NewId("req");

        // Completions have one prompt between them, whatever is made of it, and one set of parameters but for the first.
        var ids = promptIds.ToArray();
        var collector = new OutputCollector(id, prompt, ids, parameters);
        var (first, others) = (ParametersOf(parameters, isFirst: true), ParametersOf(parameters, isFirst: false));
        var common = new SamplerState(parameters, ids, _eosTokenIds);
        var hashes = new List<BlockHash>();
        var seed = parameters.Seed ?? (engine.Options.Seed is { } start ? start + number : null);
        var sequences = new (Sequence, OutputState)?[count];
        var matching = new MatchBudget();
        for (var i = 0; i < count; i++)
        {
            var own = i == 0 ? first : others;
            var state = new SamplerState(common, seed + i) { Structure = constraint is null ? null : new(constraint, _eosTokenIds, matching.Another()) };
            var sequence = new Sequence(id, ids, own, state, priority) { Lora = adapter, PromptBlockHashes = hashes };
            sequences[i] = (sequence, new OutputState(sequence, engine.Tokenizer, collector, i, ended: index => sequences[index] = null));
        }

        return new RequestGroup(id, collector, sequences, priority);
    }

    /// <summary>A request for the last hidden state of a prompt.</summary>
    /// <exception cref="InvalidRequestException">The request cannot be served as it is.</exception>
    public RequestGroup Pooling(
        ReadOnlySpan<int> promptIds, string? prompt, PoolingParams pooling, string? requestId, int priority, LoraAdapter? adapter = null)
    {
        pooling.Validate();
        var parameters = new SamplingParams { Temperature = 0, MaxTokens = 1, OutputKind = OutputKind.FinalOnly, Detokenize = false, CacheSalt = pooling.CacheSalt };
        if (pooling.TruncatePromptTokens is { } limit)
        {
            if (limit == -1) limit = engine.MaxModelLength;
            promptIds = promptIds[Math.Max(0, promptIds.Length - limit)..];
        }

        RequestCheck.Check(promptIds, engine.MaxModelLength, engine);
        var id = requestId ?? NewId("embd");
        var ids = promptIds.ToArray();
        var collector = new OutputCollector(id, prompt, ids, parameters);
        var sequence = new Sequence(id, ids, parameters, new SamplerState(parameters, promptIds), priority) { Pools = true, Lora = adapter };
        return new RequestGroup(id, collector, [(sequence, new OutputState(sequence, tokenizer: null, collector))], priority);
    }

    /// <summary>An id for a request that came without one: none that a caller could have chosen.</summary>
    private static string NewId(string kind) => $"{kind}-{Guid.NewGuid():N}";

    /// <summary>The parameters of a request's first completion, or of the others.</summary>
    private static SamplingParams ParametersOf(SamplingParams request, bool isFirst) => request.Sequences == 1 ? request : request with
    {
        N = 1,
        BestOf = null,
        PromptLogprobs = isFirst ? request.PromptLogprobs : null,

        // The best are told by the log probabilities of their tokens.
        Logprobs = request.Sequences > request.N && request.NumLogprobs is null ? 0 : request.Logprobs,
    };

    /// <summary>Compiles what the output must look like; null if it is free.</summary>
    private CompiledConstraint? ConstraintOf(SamplingParams parameters, CancellationToken cancellationToken)
    {
        if (parameters.StructuredOutputs is not { } wanted) return null;
        if (_structures is null) throw new InvalidRequestException("structured_outputs need a tokenizer, and the engine has none (skip_tokenizer_init).") { Field = "structured_outputs" };
        if (_eosTokenIds.Length == 0) throw new InvalidRequestException("structured_outputs need a model with an end-of-sequence token, and this one names none.") { Field = "structured_outputs" };
        try
        {
            return _structures.Compile(wanted, cancellationToken);
        }
        catch (StructuredOutputException e)
        {
            throw new InvalidRequestException(e.Message, e) { Field = "structured_outputs" };
        }
    }

    /// <summary>The engine's own interval where the request's is shorter.</summary>
    private SamplingParams WithInterval(SamplingParams parameters) => engine.Options.StreamInterval <= (parameters.StreamInterval ?? 1)
        ? parameters
        : parameters with { StreamInterval = engine.Options.StreamInterval };

    private SamplingParams WithBadWords(SamplingParams parameters)
    {
        if (parameters.BadWords.Count == 0) return parameters;
        try
        {
            var sequences = BadWords.Tokenize(parameters.BadWords, engine.Tokenizer!, engine.VocabularySize);
            return parameters with { BadWordsTokenIds = [.. parameters.BadWordsTokenIds, .. sequences] };
        }
        catch (ArgumentException e)
        {
            throw new InvalidRequestException(e.Message, e) { Field = "bad_words" };
        }
    }
}
