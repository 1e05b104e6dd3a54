using System.Runtime.InteropServices;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.ML.Vllm.Engine;

/// <summary>Runs a model on this machine's processors.</summary>
internal sealed partial class CpuModelRunner : IModelRunner
{
    private readonly WorkerPool _pool;
    private readonly CpuKernels _kernels;
    private readonly Workspace _workspace = new();
    private readonly DecoderModel _model;
    private readonly KvCache _cache;
    private readonly bool _isQuantized;
    private readonly PagedBatch _batch = new();
    private readonly ForwardContext _context;
    private readonly LoraLoader _loraLoader;
    private readonly ModelRunnerOutput _output = new();
    private readonly List<int> _logitRows = [];
    private readonly List<(int Entry, int Row)> _sampling = [];
    private readonly List<PromptRow> _promptRows = [];
    private readonly List<(int Entry, int Row)> _pooling = [];

    public CpuModelRunner(
        EngineOptions options, ModelConfig config, string folder, InstructionSet? instructionSet = null, CancellationToken cancellationToken = default)
    {
        _pool = new WorkerPool(options.Threads, ThreadBinding.Parse(options.CpuThreadsBind));
        try
        {
            var matrixKernels = options.MatrixKernels == MatrixKernels.Auto && options.Dtype == ModelDtype.Float32 ? MatrixKernels.Fma : options.MatrixKernels;
            _kernels = CpuKernels.Create(instructionSet ?? InstructionSets.Best, _pool, matrixKernels);
            var architecture = ModelRegistry.Find(config);
            var quantization = QuantizationMethods.Choose(config, options.Quantization);
            _isQuantized = quantization != QuantizationScheme.None;
            using var checkpoint = Checkpoint.Open(folder);
            var roundToBFloat16 = options.Dtype == ModelDtype.BFloat16;
            var shapes = architecture.KvShapes(config);
            var format = CacheFormat(options, config.Type);

            // What the cache can hold is settled first: nothing is sized by a length that only config.json claims.
            ModelMaxLength = RotaryFrequencies.MaxLength(config);
            var bytesPerBlock = KvCache.BytesPerBlock(shapes, options.BlockSize, format);
            var workspace = WorkspaceEstimate.Bytes(
                config, shapes, options.MaxNumBatchedTokens, Math.Min(LogitRowsAtATime, options.MaxNumBatchedTokens), options.EnableLora ? options.MaxLoraRank : 0);
            var plan = KvCachePlan.Make(
                options, ModelMaxLength, bytesPerBlock, checkpoint.BytesInMemory(roundToBFloat16, quantization), workspace, SystemMemory.AvailableBytes());
            MaxModelLength = plan.MaxModelLength;
            foreach (var line in plan.Describe(options, ModelMaxLength, bytesPerBlock)) options.Log?.Invoke(line);
            using var factory = new LayerFactory(config, checkpoint, _kernels, roundToBFloat16, quantization, plan.MaxModelLength, cancellationToken);
            _model = architecture.Build(factory);
            _loraLoader = new LoraLoader(factory.Lora, _kernels.PanelWidth, options.MaxLoraRank, options.Log);
            _cache = new KvCache(shapes, plan.Blocks, options.BlockSize, format);
            _context = new ForwardContext(_kernels, _workspace, _cache, _batch);
        }
        catch
        {
            _cache?.Dispose();
            _model?.Dispose();
            _kernels?.Dispose();
            _pool.Dispose();
            throw;
        }
    }

    public int VocabularySize => _model.VocabularySize;

    public int Blocks => _cache.Blocks;

    /// <summary>The memory that the weights take.</summary>
    public long WeightBytes => _model.WeightBytes;

    /// <summary>The memory that steps work in.</summary>
    internal Workspace Workspace => _workspace;

    /// <summary>What rows go to which experts.</summary>
    internal ExpertRouting Routing => _context.Routing;

    public int MaxModelLength { get; }

    /// <summary>What multiplies these weights: dot products of 8-bit numbers are for quantized ones alone.</summary>
    public MatrixKernels MatrixKernels => _kernels.MatrixKernels == MatrixKernels.Int8Dot && !_isQuantized ? MatrixKernels.Fma : _kernels.MatrixKernels;

    /// <summary>The longest sequence that the model was made for.</summary>
    public int ModelMaxLength { get; }

    public void Attach() => _pool.BindCaller();

    public ModelRunnerOutput Execute(SchedulerOutput step)
    {
        Compute(step);
        _output.Begin(step);
        Sample(step);
        if (_promptRows.Count > 0) ScorePrompts();
        if (_pooling.Count > 0) Pool();
        return _output;
    }

    public LoraAdapter LoadLora(LoraRequest request, CancellationToken cancellationToken) => _loraLoader.Load(request, cancellationToken);

    public void Dispose()
    {
        _pool.Dispose();
        _cache.Dispose();
        _model.Dispose();
        _kernels.Dispose();
        _workspace.Dispose();
    }

    /// <summary>The logits of the entries that sample, in their order, or those of all rows.</summary>
    internal Matrix Forward(SchedulerOutput step, bool allLogits = false)
    {
        Compute(step, allLogits);
        return _model.Logits(_context, CollectionsMarshal.AsSpan(_logitRows));
    }

    private void Compute(SchedulerOutput step, bool allLogits = false)
    {
        _batch.Clear();
        _context.Lora.Clear();
        _logitRows.Clear();
        _sampling.Clear();
        _promptRows.Clear();
        _pooling.Clear();
        var scheduled = CollectionsMarshal.AsSpan(step.Scheduled);
        for (var i = 0; i < scheduled.Length; i++)
        {
            ref readonly var entry = ref scheduled[i];
            var sequence = entry.Sequence;
            if (allLogits)
            {
                for (var row = 0; row < entry.Tokens; row++) _logitRows.Add(_batch.Rows + row);
            }
            else if (entry.Samples && sequence.Pools)
            {
                _pooling.Add((i, _batch.Rows + entry.Tokens - 1));
            }
            else if (entry.Samples)
            {
                _sampling.Add((i, _logitRows.Count));
                for (var row = entry.Tokens - entry.Drafts - 1; row < entry.Tokens; row++) _logitRows.Add(_batch.Rows + row);
            }

            if (sequence.WantsPromptLogprobs) AddPromptRows(i, entry, _batch.Rows);
            if (sequence.Lora is { } adapter) _context.Lora.Add(adapter, _batch.Rows, entry.Tokens);
            _batch.Add(sequence.TokensAndDraft(entry.FirstToken, entry.Tokens), entry.FirstToken, CollectionsMarshal.AsSpan(sequence.BlockTable));
        }

        _model.Forward(_context);
    }

    private static KvCacheFormat CacheFormat(EngineOptions options, TensorType? stored) => (options.KvCacheDtype, options.Dtype) switch
    {
        (KvCacheDtype.Int8, _) => KvCacheFormat.Int8,
        (KvCacheDtype.BFloat16, _) or (KvCacheDtype.Auto, ModelDtype.BFloat16) => KvCacheFormat.BFloat16,
        (KvCacheDtype.Float32, _) or (KvCacheDtype.Auto, ModelDtype.Float32) => KvCacheFormat.Float32,
        _ => stored == TensorType.BFloat16 ? KvCacheFormat.BFloat16 : KvCacheFormat.Float32,
    };
}
