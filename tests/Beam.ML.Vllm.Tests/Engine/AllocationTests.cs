using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Models;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

/// <summary>What a batch that goes on and on takes from the garbage-collected heap: on the thread of the step loop, next to nothing.</summary>
[TestFixture]
public sealed class AllocationTests
{
    private const int Batch = 8;

    /// <summary>What is kept of a token, in buffers that double when they are full: its id, its text, the hash of its block.</summary>
    private const int BytesAllowedPerToken = 96;

    private static IEnumerable<TestCaseData> Requests()
    {
        var greedy = new SamplingParams { Temperature = 0, MaxTokens = null, IgnoreEos = true, OutputKind = OutputKind.FinalOnly };
        yield return Case("greedy, the final output only", greedy);
        yield return Case("greedy, streamed in deltas", greedy with { OutputKind = OutputKind.Delta });
        yield return Case("greedy, all text at each output", greedy with { OutputKind = OutputKind.Cumulative });
        yield return Case("sampled", greedy with { Temperature = 0.8, TopP = 0.9, TopK = 40, MinP = 0.01, Seed = 3 });
        yield return Case("with penalties", greedy with { RepetitionPenalty = 1.1, PresencePenalty = 0.2, FrequencyPenalty = 0.1 });
        yield return Case("with stop strings", greedy with { Stop = ["never to be seen", "nor this"], OutputKind = OutputKind.Delta });

        static TestCaseData Case(string name, SamplingParams parameters) => new TestCaseData(parameters).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Requests))]
    public void A_step_of_a_running_batch_takes_next_to_nothing(SamplingParams parameters)
    {
        var options = new EngineOptions { Model = TestModels.TinyGemma, NumThreads = 1, NumKvBlocks = 512 };
        var tokenizer = Tokenizer.Load(options.Model);
        using var core = new EngineCore(new CpuModelRunner(options, ModelConfig.Load(options.Model), options.Model), options, new EosTokens(null, []));
        var prompt = tokenizer.Encode("What is the capital of France?").ToArray();
        for (var i = 0; i < Batch; i++)
        {
            var sequence = new Sequence($"r{i}", prompt, parameters, new SamplerState(parameters, prompt, []));
            core.Add(sequence, new OutputState(sequence, tokenizer, new OutputCollector($"r{i}", null, prompt, parameters)));
        }

        // The methods of the loop are compiled, buffers have their sizes.
        for (var i = 0; i < 60; i++) core.Step();
        const int steps = 100;
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < steps; i++) core.Step();
        var perStep = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)steps;
        TestContext.Out.WriteLine($"{perStep:n0} bytes a step of {Batch} requests");
        Assert.That(core.Scheduler.Running, Has.Count.EqualTo(Batch));
        Assert.That(perStep, Is.LessThan(Batch * BytesAllowedPerToken));
    }
}
