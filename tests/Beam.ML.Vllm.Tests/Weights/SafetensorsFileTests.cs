using System.Buffers.Binary;
using System.Text;
using Beam.ML.Vllm.Weights;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Weights;

/// <summary>Files as they should be, and files made to break the reader.</summary>
[TestFixture]
public sealed class SafetensorsFileTests
{
    [Test]
    public void Tensors_of_every_type_are_read()
    {
        byte[] data = [0, 0, 0x80, 0x3F, 0, 0x3C, 0x80, 0xBF, 7, 0, 0, 0];
        using var file = TemporaryFile.With(
            """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[1],"data_offsets":[4,6]},"c":{"dtype":"BF16","shape":[],"data_offsets":[6,8]},"d":{"dtype":"I32","shape":[1,1],"data_offsets":[8,12]},"e":{"dtype":"BOOL","shape":[0],"data_offsets":[12,12]}}""", data);
        using var tensors = SafetensorsFile.Open(file.Path);
        Assert.Multiple(() =>
        {
            Assert.That(tensors.Tensors.Keys, Is.EquivalentTo(new[] { "a", "b", "c", "d" }));
            Assert.That(tensors.Tensors["a"].ToArray(), Is.EqualTo(new[] { 1f }));
            Assert.That(tensors.Tensors["b"].ToArray(), Is.EqualTo(new[] { 1f }));
            Assert.That(tensors.Tensors["c"].ToArray(), Is.EqualTo(new[] { -1f }));
            Assert.That(tensors.Tensors["d"].Elements<int>().ToArray(), Is.EqualTo(new[] { 7 }));
            Assert.That(() => tensors.Tensors["d"].ToArray(), Throws.TypeOf<ModelLoadException>().With.Message.Contains("'d' holds Int32 numbers, which stand for weights only with scales"));
        });
    }

    [TestCase("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", "is truncated: its header says", TestName = "A tensor past the end of the file")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}}""", "is truncated", TestName = "An offset near the largest number")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "before it begins", TestName = "An end before the beginning")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "does not take the 4 bytes", TestName = "A shape that needs more bytes")]
    [TestCase("""{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}}""", "does not take", TestName = "A shape that overflows")]
    [TestCase("""{"a":{"dtype":"F32","shape":[0,9999999999],"data_offsets":[0,0]}}""", "dimension over", TestName = "An empty tensor with an absurd dimension")]
    [TestCase("""{"a":{"dtype":"F32","shape":[0,2147483647,2147483647],"data_offsets":[0,0]}}""", "rows of over", TestName = "An empty tensor with absurd rows")]
    [TestCase("""{"a":{"dtype":"F32","shape":[0,2147483647,2147483647,2147483647,2147483647],"data_offsets":[0,0]}}""", "rows of over", TestName = "An empty tensor whose rows overflow")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "overlap", TestName = "Tensors that overlap")]
    [TestCase("""{"a":{"dtype":"BF16","shape":[1],"data_offsets":[1,3]}}""", "not aligned", TestName = "A tensor that is not aligned")]
    [TestCase("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "lacks a valid dtype, shape or data_offsets", TestName = "A negative dimension")]
    [TestCase("""{"a":{"shape":[2],"data_offsets":[0,8]}}""", "lacks a valid dtype", TestName = "No type")]
    [TestCase("""{"a":17}""", "lacks a valid", TestName = "A tensor that is a number")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "twice", TestName = "A name that is there twice")]
    [TestCase("""[1,2]""", "not a JSON object", TestName = "A header that is a list")]
    [TestCase("""{"a":[[[[[[[[[[[[1]]]]]]]]]]]]}""", "not JSON", TestName = "A header that nests deeply")]
    [TestCase("""{"a":""", "not JSON", TestName = "A header that ends early")]
    public void A_bad_header_is_refused_by_name(string header, string message)
    {
        using var file = TemporaryFile.With(header, new byte[8]);
        Assert.That(() => SafetensorsFile.Open(file.Path), Throws.TypeOf<ModelLoadException>().With.Message.Contains(message).And.Message.Contains(file.Path).And.Message.Contains("again"));
    }

    [Test]
    public void Header_lengths_out_of_bounds_are_refused()
    {
        foreach (var length in new ulong[] { 9UL, 100_000_000, 100_000_001, long.MaxValue, ulong.MaxValue })
        {
            var bytes = new byte[16];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
            using var file = new TemporaryFile(bytes);
            Assert.That(() => SafetensorsFile.Open(file.Path), Throws.TypeOf<ModelLoadException>());
        }
    }

    [Test]
    public void Short_and_missing_files_are_refused()
    {
        using var empty = new TemporaryFile([]);
        using var shorter = new TemporaryFile([1, 2, 3]);
        Assert.Multiple(() =>
        {
            Assert.That(() => SafetensorsFile.Open(empty.Path), Throws.TypeOf<ModelLoadException>().With.Message.Contains("truncated"));
            Assert.That(() => SafetensorsFile.Open(shorter.Path), Throws.TypeOf<ModelLoadException>().With.Message.Contains("truncated"));
            Assert.That(() => SafetensorsFile.Open(shorter.Path + ".no"), Throws.TypeOf<ModelLoadException>().With.Message.Contains("cannot be read"));
        });
    }

    [Test]
    public void Flipped_bytes_in_a_header_give_an_error_or_a_valid_file_and_nothing_else()
    {
        var original = File.ReadAllBytes(Path.Combine(Models.TestModels.Golden("gemma"), "model.safetensors"));
        var header = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(original);
        var random = new Random(9);
        for (var round = 0; round < 200; round++)
        {
            var bytes = original.ToArray();
            for (var flips = random.Next(1, 4); flips > 0; flips--) bytes[random.Next(header)] = (byte)random.Next(256);
            using var file = new TemporaryFile(round % 4 == 0 ? bytes[..random.Next(bytes.Length)] : bytes);
            try
            {
                using var opened = SafetensorsFile.Open(file.Path);
                foreach (var tensor in opened.Tensors.Values) tensor.ToArray();
            }
            catch (ModelLoadException e)
            {
                Assert.That(e.Message, Does.Contain(file.Path));
            }
        }
    }

    private sealed class TemporaryFile : IDisposable
    {
        public TemporaryFile(byte[] bytes) => File.WriteAllBytes(Path, bytes);

        public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"beam-{Guid.NewGuid():N}.safetensors");

        public static TemporaryFile With(string header, byte[] data)
        {
            var text = Encoding.UTF8.GetBytes(header);

            // Writers pad the header with blanks so that the data is aligned.
            var padded = (text.Length + 7) / 8 * 8;
            var bytes = new byte[8 + padded + data.Length];
            BinaryPrimitives.WriteInt64LittleEndian(bytes, padded);
            bytes.AsSpan(8, padded).Fill((byte)' ');
            text.CopyTo(bytes, 8);
            data.CopyTo(bytes, 8 + padded);
            return new TemporaryFile(bytes);
        }

        public void Dispose() => File.Delete(Path);
    }
}
