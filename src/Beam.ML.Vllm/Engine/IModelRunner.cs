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

    /// <summary>
    /// Computes the scheduled tokens, writes their keys and values to the blocks of their sequences, and chooses a next token for each
    /// entry that samples: <paramref name="next"/>[i] for entry i. A request whose own parameters make that impossible is finished as an
    /// error; any other error is the engine's end.
    /// </summary>
    void Execute(SchedulerOutput step, Span<int> next);
}
