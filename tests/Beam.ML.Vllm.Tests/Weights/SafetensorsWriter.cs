using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Beam.ML.Vllm.Tests.Weights;

/// <summary>Writes float32 tensors as a safetensors file.</summary>
internal static class SafetensorsWriter
{
    public static void Write(string path, IReadOnlyDictionary<string, (long[] Shape, float[] Data)> tensors)
    {
        var offset = 0L;
        var header = new Dictionary<string, object>();
        foreach (var (name, (shape, data)) in tensors)
        {
            header[name] = new { dtype = "F32", shape, data_offsets = new[] { offset, offset += data.Length * 4 } };
        }

        var text = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(header));
        using var file = File.Create(path);
        file.Write(BitConverter.GetBytes((text.LongLength + 7) / 8 * 8));
        file.Write(text);
        file.Write(new byte[((text.Length + 7) / 8 * 8) - text.Length].Select(_ => (byte)' ').ToArray());
        foreach (var (_, data) in tensors.Values) file.Write(MemoryMarshal.AsBytes(data.AsSpan()));
    }
}
