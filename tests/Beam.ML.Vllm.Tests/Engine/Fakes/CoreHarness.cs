using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Tests.Engine.Fakes;

/// <summary>What is asked for in a property test.</summary>
internal sealed record CoreRequest(int[] Prompt, SamplingParams Parameters, LoraAdapter? Adapter = null, int Priority = 0);

/// <summary>The step loop, driven by a test: requests come, are aborted, and end.</summary>
internal sealed class CoreHarness(IModelRunner runner, EngineOptions options, params int[] eos) : IDisposable
{
    private readonly EngineCore _core = new(runner, options, EosTokens.From(eos.Length > 0 ? eos[0] : null, eos));
    private int _count;

    public EngineCore Core => _core;

    public Sequence Add(CoreRequest request)
    {
        var id = $"r{_count++}";
        var state = new SamplerState(request.Parameters, request.Prompt, eos);
        var sequence = new Sequence(id, request.Prompt, request.Parameters, state, request.Priority) { Lora = request.Adapter };
        var collector = NewCollector(id, request);
        _core.Add(sequence, new OutputState(sequence, null, collector));
        return sequence;
    }

    /// <summary>Serves requests to their ends and returns their outputs.</summary>
    public int[][] Run(params IReadOnlyList<CoreRequest> requests)
    {
        var sequences = requests.Select(Add).ToArray();
        while (_core.Step())
        {
        }

        return [.. sequences.Select(s => s.OutputTokens.ToArray())];
    }

    public void Dispose() => _core.Dispose();

    private static OutputCollector NewCollector(string id, CoreRequest request) => new(id, null, request.Prompt, request.Parameters);
}
