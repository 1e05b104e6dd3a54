using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Sampling;

/// <summary>
/// What sampling keeps for one request: its random numbers and its tokens. It depends on nothing else in the batch, so a seeded
/// request comes out the same whatever runs beside it.
/// </summary>
public sealed class SamplerState
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
    internal SamplerState(SamplerState request, long? seed) : this(request._common, seed)
    {
    }

    private SamplerState(Common common, long? seed) => (_common, _random) = (common, (ulong)(seed ?? Random.Shared.NextInt64()));

    /// <summary>The tokens chosen so far.</summary>
    public IReadOnlyList<int> OutputIds => _output;

    internal int[] EosTokenIds => _common.EosTokenIds;

    /// <summary>What is added to the logits of some tokens.</summary>
    internal (int Id, float Bias)[] LogitBias => _common.LogitBias;

    /// <summary>Where the output is in what it must look like; null if it is free.</summary>
    internal StructuredOutputState? Structure { get; init; }

    /// <summary>How often each token was chosen; counted only once a penalty asks for it.</summary>
    internal Dictionary<int, int> OutputCounts => _outputCounts ??= _output.CountBy(id => id).ToDictionary();

    internal HashSet<int> PromptSet => _common.PromptSet;

    /// <summary>Notes a chosen token. <see cref="Sampler.Sample"/> does so itself.</summary>
    public void Accept(int id)
    {
        _output.Add(id);
        Structure?.Accept(id);
        if (_outputCounts is { } counts) counts[id] = counts.GetValueOrDefault(id) + 1;
    }

    /// <summary>Whether the output ends with the first so many of these tokens.</summary>
    internal bool EndsWith(IReadOnlyList<int> ids, int count)
    {
        if (count > _output.Count) return false;
        for (var i = 0; i < count; i++)
        {
            if (_output[_output.Count - count + i] != ids[i]) return false;
        }
        return true;
    }

    /// <summary>A number in [0, 1): SplitMix64, one step a token.</summary>
    internal double NextUniform()
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
            LogitBias = parameters.LogitBias is { } biases ? [.. biases.Select(b => (b.Key, Math.Clamp(b.Value, -100f, 100f)))] : [];
        }

        public int[] EosTokenIds { get; }

        public (int Id, float Bias)[] LogitBias { get; }

        public HashSet<int> PromptSet => _promptSet.Value;
    }
}
