using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Lora;

/// <summary>Reads PEFT folders into adapters for one model. It may be used from any thread while the model computes.</summary>
internal sealed class LoraLoader(LoraTargets targets, int panelWidth, int maxRank, Action<string>? log = null)
{
    private const string Prefix = "base_model.model.", SuffixA = ".lora_A.weight", SuffixB = ".lora_B.weight";

    /// <exception cref="ModelLoadException">The folder is not there, incomplete, for another model, or of a kind that is not served.</exception>
    public LoraAdapter Load(LoraRequest request, CancellationToken cancellationToken = default)
    {
        var folder = ModelFolder.Resolve(request.Path, Environment.GetEnvironmentVariable, log, cancellationToken);
        var config = LoraConfig.Load(folder);
        var path = Path.Combine(folder, "adapter_model.safetensors");
        if (!File.Exists(path))
            throw new ModelLoadException($"'{folder}' has no adapter_model.safetensors; save the adapter with save_pretrained(…, safe_serialization=True).");
        using var file = SafetensorsFile.Open(path);
        var weights = new LoraWeights?[targets.Count];
        try
        {
            var modules = Modules(file, path);
            CheckTargets(config, modules.Keys, path);
            foreach (var (module, target) in modules)
            {
                if (weights[target.Index] is not null) throw new ModelLoadException($"'{path}' has two adapters for '{target.Name}'; save it again.");
                weights[target.Index] = Read(file, module, target, config, path);
            }
        }
        catch
        {
            new LoraAdapter(request.Name, default, weights).Dispose();
            throw;
        }

        return new LoraAdapter(request.Name, Identity(weights), weights);
    }

    /// <summary>The modules that the file has weights for, by the names that it gives them.</summary>
    private Dictionary<string, LoraTarget> Modules(SafetensorsFile file, string path)
    {
        var modules = new Dictionary<string, LoraTarget>(StringComparer.Ordinal);
        foreach (var name in file.Tensors.Keys)
        {
            var own = name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name;

            // Of a multimodal model only the text part is served.
            if (own.Contains("vision_tower.", StringComparison.Ordinal) || own.Contains("multi_modal_projector.", StringComparison.Ordinal)) continue;
            var (isA, isB) = (own.EndsWith(SuffixA, StringComparison.Ordinal), own.EndsWith(SuffixB, StringComparison.Ordinal));
            if (!isA && !isB) throw new ModelLoadException($"'{path}': {WhatElse(name)}; merge the adapter into its base model (merge_and_unload) and serve that.");
            var module = own[..^(isA ? SuffixA : SuffixB).Length];
            if (modules.ContainsKey(module)) continue;
            modules.Add(module, Find(module) ?? throw Unknown(module, path));
        }

        if (modules.Count == 0) throw new ModelLoadException($"'{path}' has no LoRA weights in F32, F16 or BF16; save the adapter again.");
        return modules;
    }

    /// <summary>The same module has another beginning in a multimodal folder, or in an adapter of the model without its head.</summary>
    private LoraTarget? Find(string module)
    {
        var text = module.Replace("language_model.", "", StringComparison.Ordinal);
        return targets.Find(module) ?? targets.Find(text) ?? targets.Find("model." + text) ?? targets.Find("transformer." + text);
    }

    private static string WhatElse(string name) =>
        name.Contains("lora_magnitude", StringComparison.Ordinal) ? $"tensor '{name}' is of DoRA, which the engine does not serve"
        : name.Contains("lora_embedding", StringComparison.Ordinal) ? $"tensor '{name}' adapts an embedding, which the engine does not serve"
        : $"tensor '{name}' is neither a lora_A nor a lora_B weight: a bias or a whole module that was trained along, which the engine does not serve";

    private ModelLoadException Unknown(string module, string path)
    {
        var why = module.Contains("expert", StringComparison.Ordinal) ? "is of the experts of a mixture, which the engine serves without adapters; train the adapter on attention alone"
            : module.EndsWith("lm_head", StringComparison.Ordinal) || module.Contains("embed", StringComparison.Ordinal) ? "is the embedding or the head, which the engine serves without adapters"
            : $"is none of the model's; it has modules such as '{targets.All.FirstOrDefault()?.Name}', so the adapter was made for another model";
        return new ModelLoadException($"'{path}': '{module}' {why}.");
    }

    /// <summary>What target_modules speaks of must be in the file, and the other way round.</summary>
    private void CheckTargets(LoraConfig config, IEnumerable<string> modules, string path)
    {
        foreach (var missing in config.Targets.Where(t => !modules.Any(m => LoraConfig.IsNamed(m, t)) && targets.All.Any(m => LoraConfig.IsNamed(m.Name, t))))
            throw new ModelLoadException($"'{path}' has no weights for '{missing}', which target_modules names; the adapter is incomplete, download it again.");
        if (!modules.Any(config.IsTarget))
            throw new ModelLoadException($"'{path}' has no module that target_modules speaks of; adapter_config.json is of another adapter, download both again.");
    }

    private LoraWeights Read(SafetensorsFile file, string module, LoraTarget target, LoraConfig config, string path)
    {
        var rank = config.RankOf(module);
        if (rank > maxRank) throw new ModelLoadException($"'{path}': '{module}' has rank {rank}, over max_lora_rank={maxRank}; raise it.");
        var a = Tensor(SuffixA, rank, target.Inputs);
        var b = Tensor(SuffixB, target.Outputs, rank);
        return new LoraWeights(Pack(a), Pack(b), config.ScaleOf(module));

        TensorView Tensor(string suffix, int rows, int columns)
        {
            if (!file.Tensors.TryGetValue(Prefix + module + suffix, out var tensor) && !file.Tensors.TryGetValue(module + suffix, out tensor))
                throw new ModelLoadException($"'{path}' has no '{module}{suffix}' in F32, F16 or BF16; the adapter is incomplete, download it again.");
            if (!tensor.Shape.SequenceEqual([rows, columns]))
            {
                throw new ModelLoadException(
                    $"'{path}': '{module}{suffix}' has shape [{string.Join(", ", tensor.Shape)}] where the model and adapter_config.json make it [{rows}, {columns}]; " +
                    "the adapter was made for another model, or its files do not belong together.");
            }

            return tensor;
        }
    }

    private PackedMatrix Pack(TensorView tensor)
    {
        var format = tensor.Type == TensorType.BFloat16 ? WeightFormat.BFloat16 : WeightFormat.Float32;
        var packed = new PackedMatrix(tensor.Rows, tensor.Columns, format, panelWidth);
        var row = new float[tensor.Columns];
        for (var i = 0; i < tensor.Rows; i++)
        {
            tensor.ReadRow(i, row);
            packed.SetOutput(i, row);
        }

        return packed;
    }

    /// <summary>The hash of what is in memory, never of the files: they may have been replaced since they were read.</summary>
    private static BlockHash Identity(LoraWeights?[] weights)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var module = 0; module < weights.Length; module++)
        {
            if (weights[module] is not { } pair) continue;
            ReadOnlySpan<int> head = [module, pair.A.Outputs, (int)pair.A.Format, (int)pair.B.Format, BitConverter.SingleToInt32Bits(pair.Scale)];
            hash.AppendData(MemoryMarshal.AsBytes(head));
            Append(hash, pair.A);
            Append(hash, pair.B);
        }

        return MemoryMarshal.Read<BlockHash>(hash.GetHashAndReset());
    }

    private static unsafe void Append(IncrementalHash hash, PackedMatrix matrix)
    {
        for (var panel = 0; panel < matrix.Panels; panel++)
            hash.AppendData(new ReadOnlySpan<byte>(matrix.Panel(panel), checked((int)matrix.PanelBytes)));
    }
}
