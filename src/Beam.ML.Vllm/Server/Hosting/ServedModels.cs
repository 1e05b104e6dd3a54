using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>The names that requests may give: those of the model, and those of its adapters.</summary>
internal sealed class ServedModels(LlmEngine engine, ServerOptions options)
{
    /// <summary>The names of the model itself.</summary>
    public IReadOnlyList<string> Names { get; } = options.ServedModelNames.Count > 0 ? options.ServedModelNames : [engine.ModelName];

    /// <summary>What a chat's answer may have where the request does not say: what generation_config.json says, else all that the context holds.</summary>
    public int? DefaultChatTokens { get; } = engine.MaxNewTokens;

    /// <summary>The tokens that a request gets of those that it asks for: no more than override_generation_config says, where it does.</summary>
    public int? Limit(int? tokens) => engine.Options.OverrideGenerationConfig?.MaxNewTokens is { } limit ? Math.Min(tokens ?? limit, limit) : tokens;

    /// <summary>The name that an answer carries.</summary>
    /// <param name="requested">The name that the request gave; without one it means the model.</param>
    /// <exception cref="ApiException">Nothing is served under the name.</exception>
    public string Resolve(string? requested)
    {
        if (string.IsNullOrEmpty(requested) || Names.Contains(requested)) return Names[0];
        if (Adapter(requested) is not null) return requested;
        throw ApiException.NotFound($"The model `{requested}` does not exist; there is {string.Join(", ", Names.Concat(engine.ListLoras().Select(l => l.Name)))}.", "model");
    }

    /// <summary>The adapter that a name stands for; null for the model itself.</summary>
    public LoraRequest? Adapter(string name) => Names.Contains(name) ? null : engine.FindLora(name);
}
