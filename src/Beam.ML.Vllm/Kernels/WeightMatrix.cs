namespace Beam.ML.Vllm.Kernels;

/// <summary>The weights of a linear layer, [outputs, inputs], in whatever numbers and order its kernel reads them.</summary>
internal abstract class WeightMatrix(int outputs, int inputs) : INativeMemory, IDisposable
{
    public int Outputs => outputs;

    public int Inputs => inputs;

    /// <summary>The memory that the weights take, with everything that is kept to read them.</summary>
    public abstract long Bytes { get; }

    /// <summary>Reads the weights of one output back, each times <paramref name="scale"/>: a row of an embedding that doubles as head.</summary>
    public abstract void GetOutput(int output, float scale, Span<float> weights);

    public abstract void Dispose();
}
