using System.Text.Json;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.ML.Vllm.Weights;

/// <summary>The tensors of a checkpoint folder, in one safetensors file or in the shards that an index lists.</summary>
internal sealed class Checkpoint : IDisposable
{
    private static readonly string[] OtherParts = ["vision_tower.", "vision_model.", "visual.", "audio_tower.", "multi_modal_projector.", "embed_vision.", "embed_audio."];

    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, TensorView> _tensors = new(StringComparer.Ordinal);

    private Checkpoint(string folder) => Folder = folder;

    public string Folder { get; }

    public static Checkpoint Open(string folder)
    {
        var checkpoint = new Checkpoint(folder);
        try
        {
            foreach (var path in Shards(folder))
            {
                var file = SafetensorsFile.Open(path);
                checkpoint._files.Add(file);
                foreach (var (name, tensor) in file.Tensors)
                {
                    if (!checkpoint._tensors.TryAdd(name, tensor))
                        throw new ModelLoadException($"'{path}': tensor '{name}' is also in '{checkpoint._tensors[name].File}'; remove the file that does not belong to the model.");
                }
            }

            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    public IReadOnlyCollection<TensorView> Tensors => _tensors.Values;

    public bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>
    /// The name that a tensor has here, of the one that it has in a folder of text alone: in folders of multimodal models, and in some older
    /// ones, names have another beginning. Null if it is not there.
    /// </summary>
    public string? Find(string name)
    {
        var rest = name[(name.IndexOf('.', StringComparison.Ordinal) + 1)..];
        string[] candidates = [name, $"language_model.{name}", $"model.language_model.{rest}", rest];
        return candidates.FirstOrDefault(Contains);
    }

    public TensorView Get(string name) =>
        _tensors.TryGetValue(name, out var tensor)
            ? tensor
            : throw new ModelLoadException($"'{Folder}': no *.safetensors file has the tensor '{name}' as numbers that are known (F32, F16, BF16, and what quantized checkpoints have); the checkpoint is incomplete or of another architecture.");

    /// <summary>The memory that all tensors of the text part take once they are loaded.</summary>
    public long BytesInMemory(bool roundToBFloat16, QuantizationScheme quantization) =>
        _tensors.Values.Where(t => IsOfText(t.Name)).Sum(t => BytesInMemory(t, roundToBFloat16, quantization));

    /// <summary>As the quantization keeps a tensor, otherwise bfloat16, stored or rounded to, in two bytes a number, and all others in four.</summary>
    public static long BytesInMemory(TensorView tensor, bool roundToBFloat16, QuantizationScheme quantization) =>
        quantization.BytesInMemory(tensor)
        ?? (tensor.Type.IsPlain() ? (long)tensor.Rows * tensor.Columns * (roundToBFloat16 || tensor.Type == TensorType.BFloat16 ? 2 : 4) : 0);

    /// <summary>Whether a tensor may be one that is loaded: those that multimodal models have for pictures and sounds never are.</summary>
    public static bool IsOfText(string name) => !Array.Exists(OtherParts, part => name.Contains(part, StringComparison.Ordinal));

    public void Dispose()
    {
        foreach (var file in _files) file.Dispose();
        _files.Clear();
        _tensors.Clear();
    }

    private static IEnumerable<string> Shards(string folder)
    {
        var single = Path.Combine(folder, "model.safetensors");
        var index = Path.Combine(folder, "model.safetensors.index.json");
        if (File.Exists(index)) return IndexedShards(folder, index);
        if (File.Exists(single)) return [single];
        var found = Directory.GetFiles(folder, "*.safetensors").Where(f => !Path.GetFileName(f).StartsWith("adapter", StringComparison.Ordinal)).ToArray();
        return found.Length == 1
            ? found
            : throw new ModelLoadException($"'{folder}' has no model.safetensors and no model.safetensors.index.json; download the checkpoint in safetensors format.");
    }

    private static IEnumerable<string> IndexedShards(string folder, string index)
    {
        var names = JsonFile.Read(index, root => FileNames(root, index));
        foreach (var name in names)
        {
            if (!File.Exists(Path.Combine(folder, name)))
                throw new ModelLoadException($"'{folder}' lacks '{name}', which its index lists; download it.");
        }

        return names.Select(name => Path.Combine(folder, name));
    }

    private static SortedSet<string> FileNames(JsonElement root, string index)
    {
        if (!root.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
            throw new ModelLoadException($"'{index}' has no weight_map; download it again.");
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var entry in map.EnumerateObject())
        {
            var name = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()! : "";
            if (name.Length == 0 || name != Path.GetFileName(name) || name is "." or "..")
                throw new ModelLoadException($"'{index}' puts tensor '{entry.Name}' in '{entry.Value}', which is not a file name; download it again.");
            names.Add(name);
        }

        return names;
    }
}
