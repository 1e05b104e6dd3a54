using System.Text.Json;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Fields of OpenAI's and vLLM's requests that change nothing here. A wrong value is refused all the same, so that a mistake is told wherever a request goes.</summary>
internal static class UnusedFields
{
    private static readonly string[] Texts = ["user", "guided_decoding_backend", "session_id", "service_tier", "safety_identifier", "prompt_cache_key"];
    private static readonly string[] Flags = ["store", "parallel_tool_calls", "include_reasoning", "return_token_offsets", "return_mm_kwargs"];
    private static readonly string[] Objects = ["metadata", "vllm_xargs", "kv_transfer_params", "ec_transfer_params", "mm_processor_kwargs", "media_io_kwargs"];

    // It matters in a beam search alone.
    private static readonly string[] Numbers = ["length_penalty"];

    /// <exception cref="Hosting.ApiException">A value is of the wrong type.</exception>
    public static void Check(JsonFields fields)
    {
        // Not by the request's own, which is to tell that nobody has asked for them.
        var apart = new JsonFields(fields.Json);
        foreach (var name in Texts) apart.String(name);
        foreach (var name in Flags) apart.Bool(name);
        foreach (var name in Objects) apart.Object(name);
        foreach (var name in Numbers) apart.Double(name);
    }
}
