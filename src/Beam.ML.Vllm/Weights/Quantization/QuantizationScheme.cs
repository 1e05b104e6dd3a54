using Beam.ML.Vllm.Kernels;

namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>What a matrix is used for; not all are worth the same digits.</summary>
internal enum WeightUse
{
    /// <summary>A linear layer.</summary>
    Linear,

    /// <summary>Embedding, head, or both in one: few bits cost the most quality here.</summary>
    Vocabulary,

    /// <summary>Chooses experts; small, and never quantized.</summary>
    Router,
}

/// <summary>
/// One way to have weights in fewer bits: as a checkpoint stores them (<see cref="Find"/>), or made of plain ones while loading
/// (<see cref="OnLoad"/>). This one does neither.
/// </summary>
internal class QuantizationScheme
{
    public static QuantizationScheme None { get; } = new();

    /// <summary>The weights of a module if the checkpoint has them in the scheme's form; null if they are plain, as all modules may be that the config excludes.</summary>
    /// <param name="tensors">Finds a tensor by name; null where there is none.</param>
    /// <param name="module">The module's name.</param>
    /// <param name="outputs">Outputs that config.json gives it.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <exception cref="ModelLoadException">A tensor has another shape or type, or values that cannot be.</exception>
    public virtual QuantizedTensor? Find(Func<string, TensorView?> tensors, string module, int outputs, int inputs) => null;

    /// <summary>How plain weights are kept; null to keep them plain.</summary>
    public virtual QuantizedLayout? OnLoad(WeightUse use) => null;

    /// <summary>The memory that a tensor will take; null if it is loaded like any other.</summary>
    public virtual long? BytesInMemory(TensorView tensor) => null;

    protected static long Elements(TensorView tensor) => (long)tensor.Rows * tensor.Columns;
}
