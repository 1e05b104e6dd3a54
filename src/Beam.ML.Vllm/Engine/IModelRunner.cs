using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Engine;

/// <summary>
/// Computes steps: the model, its cache, and sampling. The engine above it knows only token ids and block numbers, so that another device
/// is another implementation of this.
/// </summary>
internal interface IModelRunner : IDisposable
{
    /// <summary>Token ids are below this.</summary>
    int VocabularySize { get; }

    /// <summary>Blocks that the cache has.</summary>
    int Blocks { get; }

    /// <summary>The longest sequence.</summary>
    int MaxModelLength { get; }

    /// <summary>What matrices are multiplied with; <see cref="MatrixKernels.Auto"/> for a device that has no choice.</summary>
    MatrixKernels MatrixKernels => MatrixKernels.Auto;

    /// <summary>The memory that the weights take; 0 for a device that does not say.</summary>
    long WeightBytes => 0;

    /// <summary>The longest sequence that the model was made for.</summary>
    int ModelMaxLength => MaxModelLength;

    /// <summary>Called once, before all steps, by the thread that will ask for them.</summary>
    void Attach()
    {
    }

    /// <summary>
    /// Computes the scheduled tokens, writes their keys and values to the blocks of their sequences, and samples for each entry that does.
    /// What it returns is valid until the next call. A request whose own parameters make sampling impossible is finished as an error, and
    /// its entry has no token; any other error is the engine's end.
    /// </summary>
    ModelRunnerOutput Execute(SchedulerOutput step);

    /// <summary>Reads a LoRA adapter for this model into memory. Unlike all else it may be called from any thread, and while a step is computed.</summary>
    LoraAdapter LoadLora(LoraRequest request, CancellationToken cancellationToken) => throw new NotSupportedException("This device serves no LoRA adapters.");
}
