using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>Cosines and sines of every position up to a length, [position, half the rotated part of a head].</summary>
internal sealed unsafe class RotaryTable : IDisposable
{
    private readonly NativeBuffer<float> _values;

    /// <param name="inverseFrequencies">Radians per position, one for each pair of features.</param>
    /// <param name="positions">How many positions to prepare.</param>
    /// <param name="scale">What cosines and sines are multiplied by.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public RotaryTable(ReadOnlySpan<float> inverseFrequencies, int positions, float scale = 1)
    {
        Half = inverseFrequencies.Length;
        _values = new NativeBuffer<float>(2L * positions * Half);
        for (var position = 0; position < positions; position++)
        {
            for (var i = 0; i < Half; i++)
            {
                // The angle is rounded to float first, as the reference implementations do.
                var (sin, cos) = Math.SinCos(position * inverseFrequencies[i]);
                Cos(position)[i] = (float)cos * scale;
                Sin(position)[i] = (float)sin * scale;
            }
        }
    }

    /// <summary>Pairs of features that turn together.</summary>
    public int Half { get; }

    public float* Cos(int position) => _values.Pointer + (2L * position * Half);

    public float* Sin(int position) => Cos(position) + Half;

    public void Dispose() => _values.Dispose();
}
