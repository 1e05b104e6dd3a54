using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Sampling;

/// <summary>Which text an output carries while a request runs.</summary>
public enum OutputKind
{
    /// <summary>All text so far in every output.</summary>
    Cumulative,

    /// <summary>Only what is new since the last output.</summary>
    Delta,

    /// <summary>One output, when the request has finished.</summary>
    FinalOnly,
}

/// <summary>How tokens are chosen and when generation ends: vLLM's <c>SamplingParams</c>, with its names, defaults and ranges.</summary>
public sealed record SamplingParams
{
    /// <summary>Temperatures in between 0 and this are raised to it: dividing logits by less overflows.</summary>
    public const double MinTemperature = 0.01;

    /// <summary>Completions that one prompt may ask for.</summary>
    public const int MaxSequences = 16384;

    /// <summary>Strings that <see cref="Stop"/> may have.</summary>
    public const int MaxStopStrings = 256;

    /// <summary>Characters (UTF-16 code units) that the strings of <see cref="Stop"/> may have together.</summary>
    public const int MaxStopCharacters = 16384;

    /// <summary>Words that <see cref="BadWords"/> may have.</summary>
    public const int MaxBadWords = 256;

    /// <summary>Characters (UTF-16 code units) that the words of <see cref="BadWords"/> may have together.</summary>
    public const int MaxBadWordsCharacters = 16384;

    /// <summary>Characters (UTF-16 code units) that <see cref="CacheSalt"/> may have.</summary>
    public const int MaxCacheSaltCharacters = 1024;

    /// <summary>Tokens that <see cref="LogprobTokenIds"/> may name.</summary>
    public const int MaxLogprobTokenIds = 128;

    /// <summary>
    /// The number of completions of the prompt, 1 to <see cref="MaxSequences"/>; 1 by default. Greedy sampling allows only 1. The
    /// completion of index i comes out as a request of its own would with <see cref="Seed"/> + i.
    /// </summary>
    public int N { get; init; } = 1;

    /// <summary>
    /// Completions to make, of which the <see cref="N"/> of the highest cumulative log probability are returned, best first; <see cref="N"/>
    /// if null, at least that otherwise. More than <see cref="N"/> needs <see cref="OutputKind.FinalOnly"/>.
    /// </summary>
    public int? BestOf { get; init; }

    /// <summary>Randomness, 0 to 2; 1 by default; 0 takes the likeliest token each time (greedy).</summary>
    public double Temperature { get; init; } = 1.0;

    /// <summary>Keep the likeliest tokens whose probabilities sum up to this, in (0, 1]; 1 (all) by default.</summary>
    public double TopP { get; init; } = 1.0;

    /// <summary>Keep this many of the likeliest tokens; 0 or -1 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keep tokens at least this probable relative to the likeliest, in [0, 1]; 0 (all) by default.</summary>
    public double MinP { get; init; }

    /// <summary>Makes sampling reproducible, whatever else is in the batch; null (or -1) draws anew each time.</summary>
    public long? Seed { get; init => field = value == -1 ? null : value; }

    /// <summary>The most tokens to generate, at least 1; 16 by default; null goes on to the end of the model's context.</summary>
    public int? MaxTokens { get; init; } = 16;

    /// <summary>No end-of-sequence or stop token is chosen before so many tokens.</summary>
    public int MinTokens { get; init; }

    /// <summary>Texts that end the generation: up to <see cref="MaxStopStrings"/> of <see cref="MaxStopCharacters"/> together. None may be empty.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Tokens that end the generation, besides the model's own. Each is kept once.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init => field = EachOnce(value); } = [];

    /// <summary>End an output that repeats itself; null, the default, lets it go on.</summary>
    public RepetitionDetectionParams? RepetitionDetection { get; init; }

    /// <summary>Go on after the model's end-of-sequence token.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Log probabilities to give for each output token: so many of the likeliest beside the token's own; 0 for its own alone, -1 for the whole vocabulary; null (none) by default. At most the engine's <c>max_logprobs</c>.</summary>
    public int? Logprobs { get; init; }

    /// <summary>As <see cref="Logprobs"/>, for the tokens of the prompt. The prompt is then computed in full, whatever of it is in the prefix cache.</summary>
    public int? PromptLogprobs { get; init; }

    /// <summary>Tokens whose log probabilities to give for each output token instead of the likeliest; at most <see cref="MaxLogprobTokenIds"/>.</summary>
    public IReadOnlyList<int>? LogprobTokenIds { get; init; }

    /// <summary>Do without the cache of equal beginnings for this request; by default where <see cref="PromptLogprobs"/> need it.</summary>
    public bool? SkipReadingPrefixCache { get; init; }

    /// <summary>
    /// Shares the cache of equal beginnings with none but requests of the same salt, so that nobody else can tell by the time that an answer
    /// takes what has been asked before. 1 to <see cref="MaxCacheSaltCharacters"/> characters; null by default. vLLM has it beside the prompt.
    /// </summary>
    public string? CacheSalt { get; init; }

    /// <summary>Keep only so many of the prompt's last tokens; -1 for as many as the model's context has room for; null (all) by default.</summary>
    public int? TruncatePromptTokens { get; init; }

    /// <summary>Turn tokens into text; true by default. Stop strings need it.</summary>
    public bool Detokenize { get; init; } = true;

    /// <summary>Leave special tokens out of the text; true by default.</summary>
    public bool SkipSpecialTokens { get; init; } = true;

    /// <summary>Where special tokens are kept, let the tokenizer put spaces between them as it does between words; true by default.</summary>
    public bool SpacesBetweenSpecialTokens { get; init; } = true;

    /// <summary>Keep the stop string at the end of the text.</summary>
    public bool IncludeStopStringInOutput { get; init; }

    /// <summary>Which text each output carries.</summary>
    public OutputKind OutputKind { get; init; }

    /// <summary>New tokens that make an output; the first and the last come out at once. Null (1) by default.</summary>
    public int? StreamInterval { get; init; }

    /// <summary>Above 0 discourages tokens that the output has; in [-2, 2]; 0 by default.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Above 0 discourages tokens by how often the output has them; in [-2, 2]; 0 by default.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Above 1 discourages tokens that the prompt or the output has; greater than 0; 1 by default.</summary>
    public double RepetitionPenalty { get; init; } = 1.0;

    /// <summary>Added to the logits of tokens; values are clamped to [-100, 100].</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>If set, no other token is chosen. Not empty. Each is kept once.</summary>
    public IReadOnlyList<int>? AllowedTokenIds { get; init => field = EachOnce(value); }

    /// <summary>
    /// Words that never come out, at the beginning of the text or after a space: up to <see cref="MaxBadWords"/> of <see cref="MaxBadWordsCharacters"/>
    /// together. None may be empty.
    /// </summary>
    public IReadOnlyList<string> BadWords { get; init; } = [];

    /// <summary>Sequences of tokens that never come out: the last token of one is not chosen right after the rest of it.</summary>
    public IReadOnlyList<IReadOnlyList<int>> BadWordsTokenIds { get; init; } = [];

    /// <summary>What the output must look like; null leaves it free. Needs a tokenizer.</summary>
    public StructuredOutputsParams? StructuredOutputs { get; init; }

    /// <summary>Whether the likeliest token is taken each time.</summary>
    public bool IsGreedy => Temperature == 0;

    /// <summary>How many log probabilities each output token gets beside its own; null for none at all.</summary>
    internal int? NumLogprobs => Logprobs ?? LogprobTokenIds?.Count;

    /// <summary>How many completions are made.</summary>
    internal int Sequences => BestOf ?? N;

    /// <summary>Reads vLLM's and OpenAI's names (<c>max_tokens</c>, <c>top_p</c> …) from a JSON object.</summary>
    /// <exception cref="ArgumentException">A name is unknown (the nearest known one is suggested), or a value is wrong.</exception>
    public static SamplingParams FromJson(System.Text.Json.JsonElement json) => SamplingParamsReader.Read(json, new SamplingParams());

    /// <summary>Reads vLLM's and OpenAI's names (<c>max_tokens</c>, <c>top_p</c> …) from a dictionary; what it lacks keeps its default.</summary>
    /// <exception cref="ArgumentException">A name is unknown (the nearest known one is suggested), or a value is wrong.</exception>
    public static SamplingParams FromDictionary(IReadOnlyDictionary<string, object?> values) =>
        SamplingParamsReader.Read(values, new SamplingParams());

    /// <summary>As <see cref="FromDictionary(IReadOnlyDictionary{string, object?})"/>, over given defaults.</summary>
    public static SamplingParams FromDictionary(IReadOnlyDictionary<string, object?> values, SamplingParams defaults) =>
        SamplingParamsReader.Read(values, defaults);

    // A list from outside may name a token a million times, and what comes after walks it again and again.
    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(ids))]
    private static int[]? EachOnce(IReadOnlyList<int>? ids) => ids?.Distinct().ToArray();

    /// <summary>Checks all values.</summary>
    /// <exception cref="ArgumentException">A value is out of its range; the message names it, its range and what it was.</exception>
    public void Validate()
    {
        Require(Stop is not null, "stop cannot be null; without stop strings it is empty.");
        Require(StopTokenIds is not null, "stop_token_ids cannot be null; without stop tokens they are empty.");
        Require(BadWords is not null && BadWordsTokenIds is not null, "bad_words cannot be null; without bad words they are empty.");
        Require(Enum.IsDefined(OutputKind), $"output_kind must be {OutputKind.Cumulative}, {OutputKind.Delta} or {OutputKind.FinalOnly}, got {OutputKind}.");
        Require(N >= 1, $"n must be at least 1, got {N}.");
        Require(Sequences <= MaxSequences, $"n and best_of must be at most {MaxSequences}, got {Sequences}.");
        Require(BestOf is null || BestOf >= N, $"best_of must be greater than or equal to n, got n={N} and best_of={BestOf}.");
        Require(PresencePenalty is >= -2 and <= 2, $"presence_penalty must be in [-2, 2], got {PresencePenalty}.");
        Require(FrequencyPenalty is >= -2 and <= 2, $"frequency_penalty must be in [-2, 2], got {FrequencyPenalty}.");
        Require(RepetitionPenalty > 0 && double.IsFinite(RepetitionPenalty), $"repetition_penalty must be greater than zero, got {RepetitionPenalty}.");
        Require(Temperature is >= 0 and <= 2, $"temperature must be in [0, 2], got {Temperature}.");
        Require(TopP is > 0 and <= 1, $"top_p must be in (0, 1], got {TopP}.");
        Require(TopK >= -1, $"top_k must be 0 (disable), or at least 1, got {TopK}.");
        Require(MinP is >= 0 and <= 1, $"min_p must be in [0, 1], got {MinP}.");
        Require(MaxTokens is null or >= 1, $"max_tokens must be at least 1, got {MaxTokens}.");
        Require(MinTokens >= 0, $"min_tokens must be greater than or equal to 0, got {MinTokens}.");
        Require(MaxTokens is null || MinTokens <= MaxTokens, $"min_tokens must be less than or equal to max_tokens={MaxTokens}, got {MinTokens}.");
        Require(RepetitionDetection?.Error() is null, RepetitionDetection?.Error() ?? "");
        Require(StreamInterval is null or >= 1, $"stream_interval must be at least 1, got {StreamInterval}.");
        Require(Logprobs is null or >= -1, $"logprobs must be non-negative or -1, got {Logprobs}.");
        Require(PromptLogprobs is null or >= -1, $"prompt_logprobs must be non-negative or -1, got {PromptLogprobs}.");
        Require(
            LogprobTokenIds is null or { Count: >= 1 and <= MaxLogprobTokenIds },
            $"logprob_token_ids must have 1 to {MaxLogprobTokenIds} ids, got {LogprobTokenIds?.Count}.");
        Require(
            LogprobTokenIds is null || Logprobs is null || Logprobs == LogprobTokenIds.Count,
            $"When both logprobs and logprob_token_ids are set, logprobs must equal the number of ids, got logprobs={Logprobs} and {LogprobTokenIds?.Count} ids.");
        Require(TruncatePromptTokens is null or -1 or >= 1, $"truncate_prompt_tokens must be -1 or at least 1, got {TruncatePromptTokens}.");
        Require(CacheSalt is null or { Length: >= 1 and <= MaxCacheSaltCharacters }, $"cache_salt must have 1 to {MaxCacheSaltCharacters} characters, got {CacheSalt?.Length}.");
        Require(Stop.Count <= MaxStopStrings, $"stop must have at most {MaxStopStrings} strings, got {Stop.Count}.");
        Require(Stop.Sum(s => (long)(s?.Length ?? 0)) <= MaxStopCharacters, $"stop must have at most {MaxStopCharacters} characters in all, got {Stop.Sum(s => (long)(s?.Length ?? 0))}.");
        Require(Stop.All(s => !string.IsNullOrEmpty(s)), "stop cannot contain an empty string.");
        Require(Stop.Count == 0 || Detokenize, "stop strings are only supported when detokenize is true. Set detokenize to true to use stop.");
        Require(BadWords.Count <= MaxBadWords, $"bad_words must have at most {MaxBadWords} words, got {BadWords.Count}.");
        Require(BadWords.Sum(w => (long)(w?.Length ?? 0)) <= MaxBadWordsCharacters, $"bad_words must have at most {MaxBadWordsCharacters} characters in all, got {BadWords.Sum(w => (long)(w?.Length ?? 0))}.");
        Require(BadWords.All(w => !string.IsNullOrEmpty(w)), "bad_words cannot contain an empty string.");
        Require(StopTokenIds.All(id => id >= 0), "stop_token_ids cannot contain negative ids.");
        Require(AllowedTokenIds is not { Count: 0 }, "allowed_token_ids cannot be empty.");
        Require(AllowedTokenIds is null || AllowedTokenIds.All(id => id >= 0), "allowed_token_ids cannot contain negative ids.");
        Require(LogitBias is null || LogitBias.All(b => b.Key >= 0 && float.IsFinite(b.Value)), "logit_bias must map token ids to finite numbers.");
        Require(BadWordsTokenIds.All(w => w is { Count: > 0 }), "bad_words cannot contain an empty sequence of tokens.");
        Require(!IsGreedy || N == 1, $"n must be 1 when using greedy sampling, got {N}.");
        Require(!IsGreedy || Sequences == 1, $"best_of must be 1 when using greedy sampling, got {BestOf}.");

        StructuredOutputs?.Validate();

        static void Require([System.Diagnostics.CodeAnalysis.DoesNotReturnIf(false)] bool holds, string message)
        {
            if (!holds) throw new ArgumentException(message);
        }
    }
}
