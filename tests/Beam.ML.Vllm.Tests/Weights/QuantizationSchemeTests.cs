using System.Runtime.InteropServices;
using System.Text.Json;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;
using Beam.ML.Vllm.Weights.Quantization;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Weights;

/// <summary>Each form of quantized tensors that is read, packed here from known numbers and read back.</summary>
[TestFixture]
public sealed class QuantizationSchemeTests
{
    private const int Outputs = 16, Inputs = 64, GroupSize = 16, Groups = Inputs / GroupSize;

    [Test]
    public void Gptq_in_all_its_forms([Values(4, 8)] int bits, [Values("gptq", "gptq_v2")] string format, [Values] bool ordered, [Values] bool symmetric)
    {
        using var tensors = new Tensors();
        var known = new Known(bits, shuffled: !ordered, symmetric);
        var perWord = 32 / bits;
        var words = new int[Inputs / perWord * Outputs];
        for (var i = 0; i < Inputs; i++)
            for (var o = 0; o < Outputs; o++) words[(i / perWord * Outputs) + o] |= known.Code(o, i) << (i % perWord * bits);
        var zeros = new int[Groups * Outputs / perWord];
        for (var g = 0; g < Groups; g++)
            for (var o = 0; o < Outputs; o++) zeros[(g * Outputs / perWord) + (o / perWord)] |= (known.Zero(o, g) - (format == "gptq" ? 1 : 0)) << (o % perWord * bits);
        tensors.Add("m.qweight", TensorType.Int32, words, Inputs / perWord, Outputs);
        tensors.Add("m.qzeros", TensorType.Int32, zeros, Groups, Outputs / perWord);
        tensors.Add("m.scales", TensorType.Float16, known.ScalesByGroup(s => (Half)s), Groups, Outputs);
        tensors.Add("m.g_idx", TensorType.Int32, known.GroupOf, Inputs);
        var tensor = GptqScheme.Parse(Config($$"""{"bits":{{bits}},"group_size":{{GroupSize}},"checkpoint_format":"{{format}}"}""")).Find(tensors.Get, "m", Outputs, Inputs)!;
        Assert.That((tensor.Layout.HasZeroPoints, tensor.Layout.InputOrder is null), Is.EqualTo((!symmetric, ordered)));
        known.AssertRead(tensor);
    }

    [Test]
    public void Awq_with_and_without_zero_points([Values] bool symmetric)
    {
        using var tensors = new Tensors();
        var known = new Known(bits: 4, shuffled: false, symmetric);
        int[] order = [0, 2, 4, 6, 1, 3, 5, 7];
        int[] words = new int[Inputs * Outputs / 8], zeros = new int[Groups * Outputs / 8];
        for (var place = 0; place < 8; place++)
        {
            for (var column = 0; column < Outputs / 8; column++)
            {
                var output = (8 * column) + order[place];
                for (var i = 0; i < Inputs; i++) words[(i * Outputs / 8) + column] |= known.Code(output, i) << (4 * place);
                for (var g = 0; g < Groups; g++) zeros[(g * Outputs / 8) + column] |= known.Zero(output, g) << (4 * place);
            }
        }

        tensors.Add("m.qweight", TensorType.Int32, words, Inputs, Outputs / 8);
        if (!symmetric) tensors.Add("m.qzeros", TensorType.Int32, zeros, Groups, Outputs / 8);
        tensors.Add("m.scales", TensorType.Float16, known.ScalesByGroup(s => (Half)s), Groups, Outputs);
        known.AssertRead(AwqScheme.Parse(Config($$"""{"bits":4,"group_size":{{GroupSize}}}""")).Find(tensors.Get, "m", Outputs, Inputs)!);
    }

    [Test]
    public void Compressed_tensors_in_words([Values(4, 8)] int bits, [Values] bool ordered, [Values] bool symmetric)
    {
        using var tensors = new Tensors();
        var known = new Known(bits, shuffled: !ordered, symmetric);
        var perWord = 32 / bits;
        int[] words = new int[Outputs * Inputs / perWord], zeros = new int[Outputs / perWord * Groups];
        for (var o = 0; o < Outputs; o++)
        {
            for (var i = 0; i < Inputs; i++) words[(o * Inputs / perWord) + (i / perWord)] |= known.Code(o, i) << (i % perWord * bits);
            for (var g = 0; g < Groups; g++) zeros[(o / perWord * Groups) + g] |= known.Zero(o, g) << (o % perWord * bits);
        }

        tensors.Add("m.weight_packed", TensorType.Int32, words, Outputs, Inputs / perWord);
        tensors.Add("m.weight_shape", TensorType.Int64, new long[] { Outputs, Inputs }, 2);
        tensors.Add("m.weight_scale", TensorType.Float32, known.ScalesByOutput(), Outputs, Groups);
        if (!symmetric) tensors.Add("m.weight_zero_point", TensorType.Int32, zeros, Outputs / perWord, Groups);
        if (!ordered) tensors.Add("m.weight_g_idx", TensorType.Int32, known.GroupOf, Inputs);
        known.AssertRead(CompressedTensorsScheme.Parse(Config("""{"format":"pack-quantized"}""")).Find(tensors.Get, "m", Outputs, Inputs)!);
    }

    [Test]
    public void Compressed_tensors_in_bytes([Values] bool symmetric)
    {
        using var tensors = new Tensors();
        var known = new Known(bits: 8, shuffled: false, symmetric);
        tensors.Add("m.weight", TensorType.Int8, known.Codes(c => (sbyte)(c - 128)), Outputs, Inputs);
        tensors.Add("m.weight_scale", TensorType.Float32, known.ScalesByOutput(), Outputs, Groups);
        if (!symmetric) tensors.Add("m.weight_zero_point", TensorType.Int8, known.Zeros(z => (sbyte)(z - 128)), Outputs, Groups);
        known.AssertRead(CompressedTensorsScheme.Parse(Config("""{"format":"int-quantized"}""")).Find(tensors.Get, "m", Outputs, Inputs)!);
    }

    [TestCase("Float8E4M3")]
    [TestCase("Float8E5M2")]
    public void Float8_with_one_scale_and_a_weight_that_is_no_number(string type)
    {
        using var tensors = new Tensors();
        var code = Enum.Parse<WeightCode>(type);
        var bytes = Enumerable.Range(0, Outputs * Inputs).Select(i => (byte)(i * 37)).Select(b => code.IsNotFinite(b) ? (byte)0 : b).ToArray();
        bytes[(3 * Inputs) + 5] = 0xFF;
        tensors.Add("m.weight", Enum.Parse<TensorType>(type), bytes, Outputs, Inputs);
        tensors.Add("m.weight_scale", TensorType.Float32, new[] { 0.125f });
        var tensor = Float8Scheme.Parse(Config("{}")).Find(tensors.Get, "m", Outputs, Inputs)!;
        for (var output = 0; output < Outputs; output++)
        {
            var row = Read(tensor, output);
            if (output == 3) Assert.That(row, Has.All.NaN);
            else Assert.That(row, Is.EqualTo(bytes[(output * Inputs)..((output + 1) * Inputs)].Select(b => code.ToSingle(b) * 0.125f)));
        }
    }

    [Test]
    public void Modules_without_tensors_of_the_scheme_are_plain()
    {
        using var tensors = new Tensors();
        tensors.Add("m.weight", TensorType.Float32, new float[Outputs * Inputs], Outputs, Inputs);
        foreach (var scheme in new QuantizationScheme[] { new GptqScheme(4, 32, 1), new AwqScheme(32), new CompressedTensorsScheme(null), new Float8Scheme(null), new Mxfp4Scheme() })
            Assert.That(scheme.Find(tensors.Get, "m", Outputs, Inputs), Is.Null);
    }

    private static QuantizationConfig Config(string json) => new("config.json", "test", JsonDocument.Parse(json).RootElement);

    /// <summary>A row as the kernels would have it, from a matrix that was filled with it.</summary>
    private static float[] Read(QuantizedTensor tensor, int output)
    {
        var (codes, scales, zeros) = (new byte[Inputs], new float[tensor.Groups], new float[tensor.Layout.HasZeroPoints ? tensor.Groups : 0]);
        tensor.ReadOutput(output, codes, scales, zeros);
        using var matrix = new QuantizedMatrix(1, Inputs, tensor.Layout, panelWidth: 16);
        matrix.SetOutput(0, codes, scales, zeros);
        var row = new float[Inputs];
        matrix.GetOutput(0, 1, row);
        return row;
    }

    /// <summary>Random codes, scales and zero points, and the groups of the inputs.</summary>
    private sealed class Known
    {
        private readonly int _bits;
        private readonly int[] _codes = new int[Outputs * Inputs];
        private readonly int[] _zeros = new int[Outputs * Groups];
        private readonly float[] _scales = new float[Outputs * Groups];

        public Known(int bits, bool shuffled, bool symmetric)
        {
            _bits = bits;
            var random = new Random(bits);
            for (var i = 0; i < _codes.Length; i++) _codes[i] = random.Next(1 << bits);
            for (var i = 0; i < _zeros.Length; i++) (_zeros[i], _scales[i]) = (symmetric ? 1 << (bits - 1) : random.Next(1, 1 << bits), (float)(Half)(random.NextSingle() - 0.5f));
            GroupOf = [.. Enumerable.Range(0, Inputs).Select(i => i / GroupSize)];
            if (shuffled) random.Shuffle(GroupOf);
        }

        public int[] GroupOf { get; }

        public int Code(int output, int input) => _codes[(output * Inputs) + input];

        public int Zero(int output, int group) => _zeros[(output * Groups) + group];

        public T[] Codes<T>(Func<int, T> convert) => [.. _codes.Select(convert)];

        public T[] Zeros<T>(Func<int, T> convert) => [.. _zeros.Select(convert)];

        public float[] ScalesByOutput() => _scales;

        public T[] ScalesByGroup<T>(Func<float, T> convert) =>
            [.. Enumerable.Range(0, Groups).SelectMany(g => Enumerable.Range(0, Outputs).Select(o => convert(_scales[(o * Groups) + g])))];

        public void AssertRead(QuantizedTensor tensor)
        {
            Assert.That(tensor.Layout.Code, Is.EqualTo(_bits == 4 ? WeightCode.Int4 : WeightCode.Int8));
            for (var output = 0; output < Outputs; output++)
            {
                var expected = Enumerable.Range(0, Inputs).Select(i => (Code(output, i) - Zero(output, GroupOf[i])) * _scales[(output * Groups) + GroupOf[i]]);
                Assert.That(Read(tensor, output), Is.EqualTo(expected), $"output {output}");
            }
        }
    }

    /// <summary>Tensors in memory, where a file would have them.</summary>
    private sealed unsafe class Tensors : IDisposable
    {
        private readonly Dictionary<string, TensorView> _views = [];
        private readonly List<nint> _memory = [];

        public void Add<T>(string name, TensorType type, T[] values, params long[] shape) where T : unmanaged
        {
            var bytes = MemoryMarshal.AsBytes<T>(values);
            var copy = (byte*)NativeMemory.AlignedAlloc((nuint)bytes.Length, 64);
            bytes.CopyTo(new Span<byte>(copy, bytes.Length));
            _memory.Add((nint)copy);
            _views.Add(name, new TensorView(name, "model.safetensors", type, shape, copy));
        }

        public TensorView? Get(string name) => _views.GetValueOrDefault(name);

        public void Dispose()
        {
            foreach (var memory in _memory) NativeMemory.AlignedFree((void*)memory);
        }
    }
}
