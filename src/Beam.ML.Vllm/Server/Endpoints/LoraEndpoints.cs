using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Beam.ML.Vllm.Weights;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/v1/load_lora_adapter: requests may name an adapter from now on.</summary>
internal sealed class LoadLoraEndpoint(ServerContext server) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    public async Task HandleAsync(HttpContext http)
    {
        var lora = await server.ReadAsync(http, (fields, _) => Read(fields));
        if (server.Models.Names.Contains(lora.Name) || server.Engine.FindLora(lora.Name) is not null)
            throw ApiException.Invalid($"The name '{lora.Name}' is taken; unload that adapter first, or choose another name.", "lora_name");
        try
        {
            await server.Engine.AddLoraAsync(lora, http.RequestAborted);
        }
        catch (ModelLoadException e)
        {
            throw ApiException.Invalid(e.Message, "lora_path");
        }

        await http.Response.WriteAsync($"Success: LoRA adapter '{lora.Name}' added successfully.", http.RequestAborted);
    }

    private static LoraRequest Read(JsonFields fields)
    {
        if (fields.String("lora_name") is not { Length: > 0 } name) throw ApiException.Invalid("lora_name must be given.", "lora_name");
        if (fields.String("lora_path") is not { Length: > 0 } path) throw ApiException.Invalid("lora_path must be given.", "lora_path");
        return new LoraRequest(name, path);
    }
}

/// <summary>/v1/unload_lora_adapter: requests may no longer name an adapter; those under way keep it.</summary>
internal sealed class UnloadLoraEndpoint(ServerContext server) : IEndpoint
{
    public IReadOnlyList<string> Methods => EndpointMethods.Post;

    public async Task HandleAsync(HttpContext http)
    {
        var name = await server.ReadAsync(http, (fields, _) => fields.String("lora_name"));
        if (string.IsNullOrEmpty(name)) throw ApiException.Invalid("lora_name must be given.", "lora_name");
        if (!server.Engine.RemoveLora(name)) throw ApiException.NotFound($"There is no adapter '{name}'.", "lora_name");
        await http.Response.WriteAsync($"Success: LoRA adapter '{name}' removed successfully.", http.RequestAborted);
    }
}
