using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Weights.Quantization;

namespace Beam.ML.Vllm.Weights.Gguf;

/// <summary>What was written.</summary>
/// <param name="Architecture">llama.cpp's name for the family.</param>
/// <param name="Tensors">How many there are.</param>
/// <param name="Bytes">The size of the file.</param>
/// <param name="Warnings">What llama.cpp will compute differently from this engine.</param>
public sealed record GgufExport(string Architecture, int Tensors, long Bytes, IReadOnlyList<string> Warnings);

/// <summary>
/// Writes a checkpoint as a GGUF file (version 3), for llama.cpp and what is built on it: weights, sizes, tokenizer and chat template.
/// </summary>
public static class GgufExporter
{
    private static readonly Dictionary<string, (string Architecture, Action<GgufModel> Add)> Families = new(StringComparer.Ordinal)
    {
        ["GemmaForCausalLM"] = ("gemma", GgufGemma.AddFirst),
        ["Gemma2ForCausalLM"] = ("gemma2", GgufGemma.AddSecond),
        ["Gemma3ForCausalLM"] = ("gemma3", GgufGemma.AddThird),
        ["Gemma3ForConditionalGeneration"] = ("gemma3", GgufGemma.AddThird),
        ["GPT2LMHeadModel"] = ("gpt2", GgufGpt2.Add),
        ["GptOssForCausalLM"] = ("gpt-oss", GgufGptOss.Add),
        ["LlamaForCausalLM"] = ("llama", GgufLlama.Add),
        ["MistralForCausalLM"] = ("llama", GgufLlama.Add),
        ["MixtralForCausalLM"] = ("llama", GgufLlama.Add),
        ["Phi3ForCausalLM"] = ("phi3", GgufPhi3.Add),
        ["Qwen2ForCausalLM"] = ("qwen2", GgufQwen.Add),
        ["Qwen3ForCausalLM"] = ("qwen3", GgufQwen.Add),
        ["Qwen3MoeForCausalLM"] = ("qwen3moe", GgufQwen.Add),
    };

    /// <summary>Exports a model. The file appears under its name when it is whole; one that was there is replaced.</summary>
    /// <param name="model">A checkpoint folder, or a hub id that is in the local Hugging Face cache.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="type">What matrices are stored in.</param>
    /// <param name="cancellationToken">Stops the export and removes what it wrote.</param>
    /// <exception cref="ModelLoadException">The model is not there, damaged, quantized, or of a family that llama.cpp does not know.</exception>
    /// <exception cref="TokenizerException">The model's tokenizer is malformed.</exception>
    public static GgufExport Export(string model, string path, GgufType type = GgufType.BF16, CancellationToken cancellationToken = default)
    {
        var folder = ModelFolder.Resolve(model, Environment.GetEnvironmentVariable, cancellationToken: cancellationToken);
        var config = ModelConfig.Load(folder, Expect);
        var name = config.Architectures.First(Families.ContainsKey);
        if (QuantizationConfig.Read(config) is not null)
            throw new ModelLoadException($"'{config.Path}' is of a checkpoint with quantized weights (quantization_config); export the model that it was made from, with the type that you want.");
        var (architecture, add) = Families[name];
        using var checkpoint = Checkpoint.Open(folder);
        var gguf = new GgufModel(config, checkpoint, architecture, type);
        gguf.Metadata.Add("general.architecture", architecture);
        gguf.Metadata.Add("general.type", "model");
        gguf.Metadata.Add("general.name", Path.GetFileName(model.TrimEnd('/', '\\')));
        gguf.Metadata.Add("general.file_type", (int)GgufFormat.FileCode(type));
        gguf.Metadata.Add("general.quantization_version", 2);
        gguf.Metadata.Add("general.alignment", GgufFormat.Alignment);
        add(gguf);
        GgufTokenizer.Add(gguf, folder);
        GgufFile.Write(path, gguf.Metadata, gguf.Tensors, cancellationToken);
        return new GgufExport(architecture, gguf.Tensors.Count, new FileInfo(path).Length, gguf.Warnings);
    }

    private static void Expect(IReadOnlyList<string> names, string path)
    {
        if (names.Any(Families.ContainsKey)) return;
        throw new ModelLoadException(
            $"'{path}' names the architecture {string.Join(", ", names.DefaultIfEmpty("(none)"))}, which cannot be exported to GGUF; these can: {string.Join(", ", Families.Keys.Order(StringComparer.Ordinal))}.");
    }
}
