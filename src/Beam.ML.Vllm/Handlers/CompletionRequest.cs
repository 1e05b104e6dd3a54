namespace Beam.ML.Vllm;

/// <summary>
/// A prompt with parameters of its own, which override the transform's inference arguments. Names and ranges are vLLM's; null leaves the
/// transform's.
/// </summary>
/// <param name="Prompt">The prompt.</param>
/// <param name="MaxTokens"><c>max_tokens</c>.</param>
/// <param name="MinTokens"><c>min_tokens</c>.</param>
/// <param name="Temperature"><c>temperature</c>; 0 is greedy.</param>
/// <param name="TopP"><c>top_p</c>.</param>
/// <param name="TopK"><c>top_k</c>.</param>
/// <param name="Seed"><c>seed</c>.</param>
/// <param name="Stop"><c>stop</c>.</param>
/// <param name="IgnoreEos"><c>ignore_eos</c>.</param>
/// <param name="Priority">Lower is served first, under the priority policy.</param>
/// <param name="Model"><c>model</c>: the name of a LoRA adapter, one of <c>lora_modules</c>, or of the model itself.</param>
public sealed record CompletionRequest(
    string Prompt, int? MaxTokens = null, int? MinTokens = null, double? Temperature = null, double? TopP = null, int? TopK = null,
    long? Seed = null, IReadOnlyList<string>? Stop = null, bool? IgnoreEos = null, int Priority = 0,
    string? Model = null);
