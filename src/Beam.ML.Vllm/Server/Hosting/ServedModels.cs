using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>The names that requests may give the model.</summary>
internal sealed class ServedModels(LlmEngine engine, ServerOptions options)
{
    public IReadOnlyList<string> Names { get; } = options.ServedModelNames.Count > 0 ? options.ServedModelNames : [engine.ModelName];

    /// <summary>What a chat's answer may have where the request does not say: what generation_config.json says, else all that the context holds.</summary>
    public int? DefaultChatTokens { get; } = engine.DefaultSamplingParams.MaxTokens == new SamplingParams().MaxTokens ? null : engine.DefaultSamplingParams.MaxTokens;

    /// <summary>The name that an answer carries.</summary>
    /// <param name="requested">The name that the request gave; without one it means the model.</param>
    /// <exception cref="ApiException">Nothing is served under the name.</exception>
    public string Resolve(string? requested)
    {
        if (string.IsNullOrEmpty(requested) || Names.Contains(requested)) return Names[0];
        throw ApiException.NotFound($"The model `{requested}` does not exist; there is {string.Join(", ", Names)}.", "model");
    }
}
