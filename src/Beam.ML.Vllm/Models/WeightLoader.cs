using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// Reads the tensors of a checkpoint: finds them, checks their shapes, packs them for the kernels, and keeps account of the memory so that
/// the model can give it back.
/// </summary>
internal sealed class WeightLoader(
    Checkpoint checkpoint, CpuKernels kernels, bool roundToBFloat16, QuantizationScheme quantization, CancellationToken cancellationToken = default) : IDisposable
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

    /// <summary>A part of a linear layer: as the module's tensors store it, quantized or plain.</summary>
    public WeightPart Part(string module, int inputs, int outputs) =>
        quantization.Find(TryGet, module, outputs, inputs) is { } quantized ? new WeightPart(quantized) : new WeightPart(Get($"{module}.weight"), outputs);

    /// <summary>The weights of experts that are stored together in MXFP4; null if they are not.</summary>
    public QuantizedTensor[]? Mxfp4Experts(string name, int experts, int outputs, int inputs) =>
        quantization is Mxfp4Scheme ? Mxfp4Scheme.Experts(TryGet, name, experts, outputs, inputs) : null;

    public WeightMatrix Pack(int inputs, params ReadOnlySpan<WeightPart> parts) => Pack(inputs, WeightUse.Linear, parts);

    /// <summary>Parts side by side; one matrix where they are kept alike, otherwise one for each run that is.</summary>
    public WeightMatrix Pack(int inputs, WeightUse use, params ReadOnlySpan<WeightPart> parts)
    {
        var matrices = new List<WeightMatrix>();
        for (int first = 0, end; first < parts.Length; first = end)
        {
            var layout = Layout(parts[first], use);
            for (end = first + 1; end < parts.Length && Equals(layout, Layout(parts[end], use));) end++;
            matrices.Add(PackAlike(inputs, layout, parts[first..end]));
        }

        return matrices.Count == 1 ? matrices[0] : new StackedMatrix(matrices);
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

    private QuantizedLayout? Layout(WeightPart part, WeightUse use) => part.Quantized?.Layout ?? quantization.OnLoad(use);

    private WeightMatrix PackAlike(int inputs, QuantizedLayout? layout, ReadOnlySpan<WeightPart> parts)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (outputs, exact) = (0, true);
        foreach (var part in parts)
        {
            if (part.Quantized is null) _ = part.IsTransposed ? part.Tensor.Require(inputs, part.Outputs) : part.Tensor.Require(part.Outputs, inputs);
            outputs = checked(outputs + part.Outputs);
            exact &= part.Tensor.Type == TensorType.BFloat16;
        }

        // bfloat16 weights widen to the very same floats: they stay small whatever the engine's dtype.
        WeightMatrix packed = layout is not null
            ? new QuantizedMatrix(outputs, inputs, layout, kernels.PanelWidth)
            : new PackedMatrix(outputs, inputs, roundToBFloat16 || exact ? WeightFormat.BFloat16 : WeightFormat.Float32, kernels.PanelWidth);
        Own(packed);
        var first = 0;
        foreach (var part in parts)
        {
            var work = new WeightPacking { Part = part, Target = packed, FirstOutput = first };
            kernels.Pool.Run(ref work);
            first += part.Outputs;
        }

        return packed;
    }

    private TensorView? TryGet(string name) => checkpoint.Find(name) is { } found ? checkpoint.Get(found) : null;
}
