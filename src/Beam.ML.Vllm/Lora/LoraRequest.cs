namespace Beam.ML.Vllm.Lora;

/// <summary>The LoRA adapter that a request is served with. Requests with different adapters, and with none, share a batch.</summary>
/// <param name="Name">What the adapter is called, as a model's name is; it cannot be empty.</param>
/// <param name="Path">A PEFT folder, with adapter_config.json and adapter_model.safetensors, or a hub id that is in the local Hugging Face cache.</param>
public sealed record LoraRequest(string Name, string Path)
{
    /// <summary>Reads vLLM's <c>name=path</c>.</summary>
    /// <exception cref="ArgumentException">The text is not of that form.</exception>
    public static LoraRequest Parse(string text)
    {
        var split = text.IndexOf('=', StringComparison.Ordinal);
        return split > 0 && split < text.Length - 1
            ? new LoraRequest(text[..split], text[(split + 1)..])
            : throw new ArgumentException($"lora_modules has '{text}', which is not of the form name=path.");
    }
}
