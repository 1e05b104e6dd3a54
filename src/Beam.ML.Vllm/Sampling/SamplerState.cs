using Beam.ML.Vllm.StructuredOutput;
using Beam.ML.Vllm.StructuredOutput.Vocabulary;

namespace Beam.ML.Vllm.Sampling;

/// <summary>
/// What sampling keeps for one request: its random numbers and its tokens. It depends on nothing else in the batch, so a seeded
/// request comes out the same whatever runs beside it.
/// </summary>
internal sealed class SamplerState
{
    private Dictionary<int, int>? _outputCounts;
    private readonly List<int> _output = [];
    private readonly Common _common;
    private ulong _random;

    /// <summary>Starts a request.</summary>
    /// <param name="parameters">The request's parameters; its seed starts the random numbers.</param>
    /// <param name="promptIds">The prompt.</param>
    /// <param name="eosTokenIds">The model's end-of-sequence tokens, which are not chosen before <c>min_tokens</c>.</param>
    public SamplerState(SamplingParams parameters, ReadOnlySpan<int> promptIds, ReadOnlySpan<int> eosTokenIds = default)
        : this(new Common(parameters, promptIds, eosTokenIds), parameters.Seed)
    {
    }

    /// <summary>Starts another completion of a request, with a seed of its own, in which no number has a special meaning.</summary>
    public SamplerState(SamplerState request, long? seed) : this(request._common, seed)
    {
    }

    private SamplerState(Common common, long? seed) => (_common, _random) = (common, (ulong)(seed ?? Random.Shared.NextInt64()));

    /// <summary>The tokens chosen so far.</summary>
    public IReadOnlyList<int> OutputIds => _output;

    public int[] EosTokenIds => _common.EosTokenIds;

    /// <summary>The request's stop tokens, each once, in ascending order.</summary>
    public int[] StopTokenIds => _common.StopTokenIds;

    /// <summary>The only tokens that may be chosen; null for all.</summary>
    public TokenMask? Allowed => _common.Allowed;

    /// <summary>What is added to the logits of some tokens.</summary>
    public (int Id, float Bias)[] LogitBias => _common.LogitBias;

    /// <summary>Where the output is in what it must look like; null if it is free.</summary>
    public StructuredOutputState? Structure { get; init; }

    /// <summary>How often each token was chosen; counted only once a penalty asks for it.</summary>
    public Dictionary<int, int> OutputCounts => _outputCounts ??= _output.CountBy(id => id).ToDictionary();

    public HashSet<int> PromptSet => _common.PromptSet;

    /// <summary>Notes a chosen token. <see cref="Sampler.Sample"/> does so itself.</summary>
    public void Accept(int id)
    {
        _output.Add(id);
        Structure?.Accept(id);
        if (_outputCounts is { } counts) counts[id] = counts.GetValueOrDefault(id) + 1;
    }

    /// <summary>Whether a token is among the request's stop tokens.</summary>
    public bool IsStopToken(int id) => Array.BinarySearch(_common.StopTokenIds, id) >= 0;

    /// <summary>Whether the output ends with the first so many of these tokens.</summary>
    public bool EndsWith(IReadOnlyList<int> ids, int count)
    {
        if (count > _output.Count) return false;
        for (var i = 0; i < count; i++)
        {
            if (_output[_output.Count - count + i] != ids[i]) return false;
        }
        return true;
    }

    /// <summary>A number in [0, 1): SplitMix64, one step a token.</summary>
    public double NextUniform()
    {
        _random += 0x9E3779B97F4A7C15;
        var z = _random;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (z >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>What all completions of a request have in common, and nothing changes.</summary>
    private sealed class Common
    {
        private readonly Lazy<HashSet<int>> _promptSet;

        public Common(SamplingParams parameters, ReadOnlySpan<int> promptIds, ReadOnlySpan<int> eosTokenIds)
        {
            var prompt = parameters.RepetitionPenalty != 1 ? promptIds.ToArray() : [];
            _promptSet = new Lazy<HashSet<int>>(() => [.. prompt]);
            EosTokenIds = eosTokenIds.ToArray();
            StopTokenIds = [.. parameters.StopTokenIds.Distinct().Order()];
            Allowed = parameters.AllowedTokenIds is { } ids ? MaskOf(ids) : null;
            LogitBias = parameters.LogitBias is { } biases ? [.. biases.Select(b => (b.Key, Math.Clamp(b.Value, -100f, 100f)))] : [];
        }

        public int[] EosTokenIds { get; }

        public int[] StopTokenIds { get; }

        public TokenMask? Allowed { get; }

        public (int Id, float Bias)[] LogitBias { get; }

        public HashSet<int> PromptSet => _promptSet.Value;

        private static TokenMask MaskOf(IReadOnlyList<int> ids)
        {
            var bits = new ulong[(ids.Max() >> 6) + 1];
            foreach (var id in ids) bits[id >> 6] |= 1UL << (id & 63);
            return new TokenMask(bits, canEnd: true);
        }
    }
}
