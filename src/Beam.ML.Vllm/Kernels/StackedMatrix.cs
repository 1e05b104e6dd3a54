namespace Beam.ML.Vllm.Kernels;

/// <summary>Matrices of the same inputs, one output after the other: merged projections that are not stored alike.</summary>
internal sealed class StackedMatrix : WeightMatrix
{
    public StackedMatrix(IReadOnlyList<WeightMatrix> parts) : base(parts.Sum(p => p.Outputs), parts[0].Inputs)
    {
        if (parts.Any(p => p.Inputs != Inputs)) throw new ArgumentException("The matrices have different inputs.");
        Parts = [.. parts];
    }

    public WeightMatrix[] Parts { get; }

    public override long Bytes => Parts.Sum(p => p.Bytes);

    public override void GetOutput(int output, float scale, Span<float> weights)
    {
        foreach (var part in Parts)
        {
            if (output < part.Outputs)
            {
                part.GetOutput(output, scale, weights);
                return;
            }

            output -= part.Outputs;
        }

        throw new ArgumentOutOfRangeException(nameof(output));
    }

    public override void Dispose()
    {
        foreach (var part in Parts) part.Dispose();
    }
}
