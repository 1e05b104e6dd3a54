using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>A model with its cache and no engine: tests say which tokens a step computes and read all logits.</summary>
internal sealed class RunnerHarness : IDisposable
{
    private const int BlockSize = 16;

    private readonly CpuModelRunner _runner;
    private readonly BlockManager _blocks;

    /// <remarks>The test is skipped where the machine lacks the kernels.</remarks>
    public RunnerHarness(
        string folder, ModelDtype dtype = ModelDtype.Float32, int threads = 1, InstructionSet? set = null, MatrixKernels kernels = MatrixKernels.Auto,
        KvCacheDtype cache = KvCacheDtype.Auto, string? quantization = null)
    {
        var options = new EngineOptions
        {
            Model = folder, Dtype = dtype, MatrixKernels = kernels, KvCacheDtype = cache, NumThreads = threads, NumKvBlocks = 64, SkipTokenizerInit = true, MaxLoraRank = 64,
            Quantization = quantization,
        };
        try
        {
            _runner = new CpuModelRunner(options, ModelConfig.Load(folder), folder, set);
        }
        catch (NotSupportedException e) when (kernels != MatrixKernels.Auto)
        {
            Assert.Ignore(e.Message);
            throw;
        }

        _blocks = new BlockManager(_runner.Blocks, BlockSize, enablePrefixCaching: true);
    }

    public int Vocabulary => _runner.VocabularySize;

    /// <summary>The memory that the weights have taken.</summary>
    public long WeightBytes => _runner.WeightBytes;

    /// <summary>The working memory that steps have taken.</summary>
    public long WorkspaceBytes => _runner.Workspace.Bytes;

    /// <summary>Who is told, layer by layer, which experts the rows of a step have; null for nobody.</summary>
    public void OnRouted(ExpertsChosen? told) => _runner.Routing.Chosen = told;

    /// <summary>Reads an adapter; the caller disposes of it.</summary>
    public LoraAdapter Load(string folder) => _runner.LoadLora(new LoraRequest(Path.GetFileName(folder), folder), CancellationToken.None);

    public static Sequence NewSequence(ReadOnlySpan<int> prompt, LoraAdapter? adapter = null)
    {
        var parameters = new SamplingParams { Temperature = 0, MaxTokens = 64, IgnoreEos = true };
        return new Sequence("test", prompt.ToArray(), parameters, new SamplerState(parameters, prompt)) { Lora = adapter };
    }

    /// <summary>The logits of each known token of a new sequence, computed in chunks, [tokens][vocabulary].</summary>
    public float[][] Logits(Sequence sequence, int chunk = int.MaxValue)
    {
        var all = new List<float[]>();
        var first = sequence.ComputedTokens;
        while (first + all.Count < sequence.Length) all.AddRange(Step((sequence, chunk))[0]);
        return [.. all];
    }

    /// <summary>One step of several sequences, each by at most so many tokens; the logits of every row.</summary>
    public float[][][] Step(params (Sequence Sequence, int Tokens)[] work)
    {
        var step = new SchedulerOutput();
        foreach (var (sequence, limit) in work)
        {
            var tokens = Math.Min(limit, sequence.Length - sequence.ComputedTokens);
            if (!_blocks.TryGrow(sequence, sequence.ComputedTokens + tokens)) throw new InvalidOperationException("out of blocks");
            step.Add(sequence, tokens);
            _blocks.Publish(sequence, sequence.ComputedTokens, sequence.ComputedTokens + tokens);
        }

        var logits = _runner.Forward(step, allLogits: true);
        var row = 0;
        var result = new float[work.Length][][];
        for (var i = 0; i < work.Length; i++)
        {
            var scheduled = step.Scheduled[i];
            result[i] = new float[scheduled.Tokens][];
            for (var t = 0; t < scheduled.Tokens; t++) result[i][t] = logits.RowSpan(row++).ToArray();
            scheduled.Sequence.ComputedTokens += scheduled.Tokens;
        }

        return result;
    }

    /// <summary>What computing the last token of some sequences once more takes from the garbage-collected heap.</summary>
    public long AllocatedByDecoding(params ReadOnlySpan<Sequence> sequences)
    {
        var step = new SchedulerOutput();
        foreach (var sequence in sequences)
        {
            sequence.ComputedTokens--;
            step.Add(sequence, 1);
        }

        for (var i = 0; i < 3; i++) _runner.Forward(step);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) _runner.Forward(step);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    /// <summary>As <see cref="AllocatedByDecoding"/>, with the choice of a token by each sequence's parameters.</summary>
    public long AllocatedBySampling(params ReadOnlySpan<Sequence> sequences)
    {
        var step = new SchedulerOutput();
        foreach (var sequence in sequences)
        {
            sequence.ComputedTokens--;
            step.Add(sequence, 1);
        }

        // The list of chosen tokens doubles now and then: it has room for 32 after these.
        for (var i = 0; i < 17; i++) _runner.Execute(step);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) _runner.Execute(step);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    public int AttachPrefix(Sequence sequence) => sequence.ComputedTokens = _blocks.AttachPrefix(sequence);

    public void Free(Sequence sequence) => _blocks.Free(sequence);

    public void Dispose() => _runner.Dispose();
}
