using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Models;

/// <summary>
/// Makes layers from the tensors of a checkpoint: checks their shapes against config.json, packs them for the kernels, and keeps account
/// of the memory so that the model can give it back.
/// </summary>
internal sealed class LayerFactory(ModelConfig config, Checkpoint checkpoint, CpuKernels kernels, bool roundToBFloat16, int maxModelLength)
    : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public ModelConfig Config => config;

    /// <summary>One tensor, [outputs, inputs], or several stacked into one layer.</summary>
    public Linear Linear(int inputs, params ReadOnlySpan<(string Name, int Outputs)> parts) => new(Pack(inputs, parts));

    /// <param name="name">The tensor.</param>
    /// <param name="offset">Added to each weight: Gemma stores the distance from one.</param>
    public unsafe RmsNorm RmsNorm(string name, float offset = 0)
    {
        var values = checkpoint.Get(name).Require(config.HiddenSize).ToArray();
        var weight = Own(new NativeBuffer<float>(values.Length));
        for (var i = 0; i < values.Length; i++) weight.Pointer[i] = values[i] + offset;
        return new RmsNorm(weight, config.RmsNormEpsilon);
    }

    public TokenEmbedding Embedding(string name, float scale = 1) => new(Pack(config.HiddenSize, [(name, config.VocabularySize)]), scale);

    /// <summary>Rotation of whole heads, unscaled.</summary>
    public RotaryEmbedding Rotary()
    {
        var rope = config.Rope();
        if (rope.Type != "default") throw config.Wrong("rope scaling", $"is of type '{rope.Type}', which this architecture has no use for");
        if (config.HeadSize % 2 != 0) throw config.Wrong("head_dim", $"is {config.HeadSize}, which is odd");
        var frequencies = new float[config.HeadSize / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = 1 / MathF.Pow(rope.Theta, 2f * i / config.HeadSize);
        return new RotaryEmbedding(Own(new RotaryTable(frequencies, maxModelLength)), config.HeadSize);
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

    private PackedMatrix Pack(int inputs, ReadOnlySpan<(string Name, int Outputs)> parts)
    {
        var tensors = new TensorView[parts.Length];
        var outputs = 0;
        for (var i = 0; i < parts.Length; i++)
        {
            tensors[i] = checkpoint.Get(parts[i].Name).Require(parts[i].Outputs, inputs);
            outputs = checked(outputs + parts[i].Outputs);
        }

        // bfloat16 weights widen to the very same floats: they stay small whatever the engine's dtype.
        var format = roundToBFloat16 || tensors.All(t => t.Type == TensorType.BFloat16) ? WeightFormat.BFloat16 : WeightFormat.Float32;
        var packed = Own(new PackedMatrix(outputs, inputs, format, kernels.PanelWidth));
        var first = 0;
        foreach (var tensor in tensors)
        {
            var work = new PackWork { Tensor = tensor, Target = packed, FirstOutput = first };
            kernels.Pool.Run(ref work);
            first += tensor.Rows;
        }

        return packed;
    }

    private T Own<T>(T resource) where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    private struct PackWork : IParallelWork
    {
        public TensorView Tensor;
        public PackedMatrix Target;
        public int FirstOutput;

        public readonly void Run(int part, int parts)
        {
            var row = new float[Tensor.Columns];
            int from = (int)((long)Tensor.Rows * part / parts), to = (int)((long)Tensor.Rows * (part + 1) / parts);
            for (var i = from; i < to; i++)
            {
                Tensor.ReadRow(i, row);
                Target.SetOutput(FirstOutput + i, row);
            }
        }
    }
}
