using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Cosines and sines of every position up to a length, [position, half the rotated part of a head]. They are computed when sequences first
/// come to them: models may have lengths that few sequences ever reach.
/// </summary>
internal sealed unsafe class RotaryTable : IDisposable
{
    private const int PositionsAtOnce = 256;

    private readonly NativeBuffer<float> _values;
    private readonly float[] _inverseFrequencies;
    private readonly int _positions;
    private readonly float _scale;
    private int _ready;

    /// <param name="inverseFrequencies">Radians per position, one for each pair of features.</param>
    /// <param name="positions">How many positions there may be.</param>
    /// <param name="scale">What cosines and sines are multiplied by.</param>
    public RotaryTable(ReadOnlySpan<float> inverseFrequencies, int positions, float scale = 1)
    {
        (_inverseFrequencies, _positions, _scale) = (inverseFrequencies.ToArray(), positions, scale);
        _values = new NativeBuffer<float>(2L * positions * Half);
    }

    /// <summary>Pairs of features that turn together.</summary>
    public int Half => _inverseFrequencies.Length;

    /// <summary>Computes what is missing for so many positions. Only the thread of the step loop calls it, before others read.</summary>
    public void Prepare(int positions)
    {
        if (positions > _ready) Compute(Math.Min((positions + PositionsAtOnce - 1) / PositionsAtOnce * PositionsAtOnce, _positions));
    }

    /// <summary>Of a position that has been prepared.</summary>
    public float* Cos(int position) => _values.Pointer + (2L * position * Half);

    public float* Sin(int position) => Cos(position) + Half;

    public void Dispose() => _values.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Compute(int positions)
    {
        for (; _ready < positions; _ready++)
        {
            for (var i = 0; i < _inverseFrequencies.Length; i++)
            {
                // The angle is rounded to float first, as the reference implementations do.
                var (sin, cos) = Math.SinCos(_ready * _inverseFrequencies[i]);
                Cos(_ready)[i] = (float)cos * _scale;
                Sin(_ready)[i] = (float)sin * _scale;
            }
        }
    }
}
