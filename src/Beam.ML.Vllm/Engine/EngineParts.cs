using Beam.ML.Vllm.Models;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tokenizers;
using Beam.ML.Vllm.Weights;

namespace Beam.ML.Vllm.Engine;

/// <summary>What an engine is made of: the device that computes, and what the model's folder says beside its weights.</summary>
internal sealed record EngineParts(IModelRunner Runner, Tokenizer? Tokenizer, EosTokens Eos, SamplingParams SamplingDefaults, string Folder)
{
    /// <summary>What generation_config.json says of the length of an output, if it does.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>Reads a model's folder.</summary>
    public static EngineParts Load(EngineOptions options, CancellationToken cancellationToken = default)
    {
        options.Validate();
        var folder = ModelFolder.Resolve(options.Model, Environment.GetEnvironmentVariable, options.Log, cancellationToken);
        var config = ModelConfig.Load(folder, ModelRegistry.Expect);
        var generation = GenerationConfig.Load(folder, options);
        var tokenizer = options.SkipTokenizerInit ? null : Tokenizer.Load(folder);
        var eos = EosTokens.From(tokenizer?.EosTokenId ?? (config.EosTokenIds is [var first, ..] ? first : null), [.. config.EosTokenIds, .. generation.EosTokenIds]);
        return new EngineParts(new CpuModelRunner(options, config, folder, cancellationToken: cancellationToken), tokenizer, eos, generation.SamplingDefaults, folder)
        {
            MaxNewTokens = generation.MaxNewTokens,
        };
    }
}
