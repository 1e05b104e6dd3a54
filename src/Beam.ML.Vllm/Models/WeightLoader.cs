using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>A tensor that makes up some outputs of a linear layer.</summary>
/// <param name="Tensor">[outputs, inputs].</param>
/// <param name="Outputs">How many outputs.</param>
/// <param name="IsTransposed">The tensor is [inputs, outputs].</param>
/// <param name="IsInterleaved">Even outputs come first, then the odd ones: gate and up stored in turns.</param>
internal readonly record struct WeightPart(TensorView Tensor, int Outputs, bool IsTransposed = false, bool IsInterleaved = false)
{
    public int Place(int output) => !IsInterleaved ? output : (output % 2 * (Outputs / 2)) + (output / 2);
}

/// <summary>
/// Reads the tensors of a checkpoint: finds them, checks their shapes, packs them for the kernels, and keeps account of the memory so that
/// the model can give it back.
/// </summary>
internal sealed class WeightLoader(Checkpoint checkpoint, CpuKernels kernels, bool roundToBFloat16) : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public bool Contains(string name) => checkpoint.Find(name) is not null;

    /// <summary>A tensor by the name that it has in a folder of text alone.</summary>
    public TensorView Get(string name) => checkpoint.Get(checkpoint.Find(name) ?? name);

    /// <summary>All of a small tensor, [length], each number times a scale, plus an offset.</summary>
    public unsafe NativeBuffer<float> Vector(TensorView tensor, int length, float scale = 1, float offset = 0)
    {
        var values = tensor.Require(length).ToArray();
        var vector = Own(new NativeBuffer<float>(length));
        for (var i = 0; i < length; i++) vector.Pointer[i] = (values[i] + offset) * scale;
        return vector;
    }

    /// <summary>The biases of outputs that several tensors make up.</summary>
    public unsafe NativeBuffer<float> Biases(params ReadOnlySpan<WeightPart> parts)
    {
        var length = 0;
        foreach (var part in parts) length += part.Outputs;
        var (biases, first) = (Own(new NativeBuffer<float>(length)), 0);
        foreach (var part in parts)
        {
            var values = part.Tensor.Require(part.Outputs).ToArray();
            for (var i = 0; i < values.Length; i++) biases.Pointer[first + part.Place(i)] = values[i];
            first += part.Outputs;
        }

        return biases;
    }

    /// <summary>The same number many times over.</summary>
    public unsafe NativeBuffer<float> Constant(int length, float value)
    {
        var vector = Own(new NativeBuffer<float>(length));
        new Span<float>(vector.Pointer, length).Fill(value);
        return vector;
    }

    /// <summary>Rows of a table from one on, as they are.</summary>
    public unsafe NativeBuffer<float> Rows(TensorView tensor, int firstRow, int rows)
    {
        var table = Own(new NativeBuffer<float>((long)rows * tensor.Columns));
        for (var row = 0; row < rows; row++)
            tensor.ReadRow(firstRow + row, new Span<float>(table.Pointer + ((long)row * tensor.Columns), tensor.Columns));
        return table;
    }

    public WeightMatrix Pack(int inputs, params ReadOnlySpan<WeightPart> parts)
    {
        var (outputs, exact) = (0, true);
        foreach (var part in parts)
        {
            if (part.IsTransposed) part.Tensor.Require(inputs, part.Outputs);
            else part.Tensor.Require(part.Outputs, inputs);
            outputs = checked(outputs + part.Outputs);
            exact &= part.Tensor.Type == TensorType.BFloat16;
        }

        // bfloat16 weights widen to the very same floats: they stay small whatever the engine's dtype.
        var packed = Own(new PackedMatrix(outputs, inputs, roundToBFloat16 || exact ? WeightFormat.BFloat16 : WeightFormat.Float32, kernels.PanelWidth));
        var first = 0;
        foreach (var part in parts)
        {
            var work = new PackWork { Part = part, Target = packed, FirstOutput = first };
            kernels.Pool.Run(ref work);
            first += part.Outputs;
        }

        return packed;
    }

    public T Own<T>(T resource) where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    /// <summary>Hands everything made so far over to a model.</summary>
    public IReadOnlyList<IDisposable> TakeOwned()
    {
        IDisposable[] owned = [.. _owned];
        _owned.Clear();
        return owned;
    }

    /// <summary>Frees what no model has taken.</summary>
    public void Dispose()
    {
        foreach (var owned in _owned) owned.Dispose();
    }

    private struct PackWork : IParallelWork
    {
        private const int Band = 32;

        public WeightPart Part;
        public PackedMatrix Target;
        public int FirstOutput;

        public readonly void Run(int part, int parts)
        {
            // Of a transposed tensor some columns are read at a time, so that what is read of a row lies side by side.
            var band = Part.IsTransposed ? Band : 1;
            var bands = (Part.Outputs + band - 1) / band;
            int from = (int)((long)bands * part / parts), to = (int)((long)bands * (part + 1) / parts);
            var weights = new float[band * Target.Inputs];
            for (var i = from; i < to; i++)
            {
                var count = Math.Min(band, Part.Outputs - (i * band));
                if (Part.IsTransposed) ReadColumns(i * band, count, weights);
                else Part.Tensor.ReadRow(i, weights);
                for (var c = 0; c < count; c++)
                    Target.SetOutput(FirstOutput + Part.Place((i * band) + c), weights.AsSpan(c * Target.Inputs, Target.Inputs));
            }
        }

        private readonly void ReadColumns(int first, int count, float[] weights)
        {
            Span<float> row = stackalloc float[Band];
            for (var k = 0; k < Target.Inputs; k++)
            {
                Part.Tensor.ReadRow(k, first, row[..count]);
                for (var c = 0; c < count; c++) weights[(c * Target.Inputs) + k] = row[c];
            }
        }
    }
}
