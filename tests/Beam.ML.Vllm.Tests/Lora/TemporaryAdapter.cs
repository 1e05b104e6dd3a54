using System.Text.Json;
using System.Text.Json.Nodes;
using Beam.ML.Vllm.Tests.Weights;

namespace Beam.ML.Vllm.Tests.Lora;

/// <summary>A PEFT folder with random weights, deleted with the object.</summary>
internal sealed class TemporaryAdapter : IDisposable
{
    private readonly Dictionary<string, (long[] Shape, float[] Data)> _tensors = [];

    /// <param name="modules">Name, inputs and outputs of what it changes.</param>
    /// <param name="rank">Of all of them.</param>
    /// <param name="seed">Starts the random weights.</param>
    /// <param name="change">Changes what adapter_config.json says.</param>
    public TemporaryAdapter(IEnumerable<(string Name, int Inputs, int Outputs)> modules, int rank = 4, int seed = 1, Action<JsonObject>? change = null)
    {
        var random = new Random(seed);
        Modules = [.. modules];
        foreach (var (name, inputs, outputs) in Modules)
        {
            _tensors[$"base_model.model.{name}.lora_A.weight"] = ([rank, inputs], Weights(rank * inputs, 0.3));
            _tensors[$"base_model.model.{name}.lora_B.weight"] = ([outputs, rank], Weights(outputs * rank, 0.1));
        }

        Config = new JsonObject
        {
            ["peft_type"] = "LORA", ["r"] = rank, ["lora_alpha"] = 2 * rank, ["bias"] = "none", ["use_rslora"] = false,
            ["target_modules"] = new JsonArray([.. Modules.Select(m => m.Name.Split('.')[^1]).Distinct().Select(n => (JsonNode)n)]),
        };
        change?.Invoke(Config);
        Save();

        float[] Weights(int count, double size) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * size))];
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("beam-lora-").FullName;

    public JsonObject Config { get; }

    public IReadOnlyList<(string Name, int Inputs, int Outputs)> Modules { get; }

    public Dictionary<string, (long[] Shape, float[] Data)> Tensors => _tensors;

    public void Save()
    {
        File.WriteAllText(Path.Combine(Folder, "adapter_config.json"), Config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        SafetensorsWriter.Write(Path.Combine(Folder, "adapter_model.safetensors"), _tensors);
    }

    /// <summary>scale × B A of a module, [outputs, inputs].</summary>
    public float[] Product(string name, float scale)
    {
        var (shapeA, a) = _tensors[$"base_model.model.{name}.lora_A.weight"];
        var (shapeB, b) = _tensors[$"base_model.model.{name}.lora_B.weight"];
        var (rank, inputs, outputs) = ((int)shapeA[0], (int)shapeA[1], (int)shapeB[0]);
        var product = new float[outputs * inputs];
        for (var o = 0; o < outputs; o++)
        {
            for (var i = 0; i < inputs; i++)
            {
                var sum = 0.0;
                for (var r = 0; r < rank; r++) sum += (double)b[(o * rank) + r] * a[(r * inputs) + i];
                product[(o * inputs) + i] = (float)(scale * sum);
            }
        }

        return product;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
