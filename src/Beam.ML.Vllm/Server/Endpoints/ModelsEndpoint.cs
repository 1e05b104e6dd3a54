using System.Text.Json;
using Beam.ML.Vllm.Server.Hosting;
using Beam.ML.Vllm.Server.Protocol;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Endpoints;

/// <summary>/v1/models and /v1/models/{name}: what requests may name.</summary>
internal sealed class ModelsEndpoint(ServerContext server) : IEndpoint
{
    private const string Prefix = "/v1/models/";

    public IReadOnlyList<string> Methods => EndpointMethods.Get;

    public Task HandleAsync(HttpContext http)
    {
        var path = http.Request.Path.Value!;
        if (!path.StartsWith(Prefix, StringComparison.Ordinal)) return JsonResponse.WriteAsync(http.Response, WriteList);
        // A slash in the name comes escaped, and the server leaves it so.
        var name = path[Prefix.Length..].Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
        server.Models.Resolve(name);
        return JsonResponse.WriteAsync(http.Response, json => WriteCard(json, name));
    }

    private void WriteList(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        foreach (var name in server.Models.Names) WriteCard(json, name);
        foreach (var adapter in server.Engine.ListLoras()) WriteCard(json, adapter.Name);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>What older clients look for: one who reaches the server may do with the model what the server does.</summary>
    private void WritePermission(Utf8JsonWriter json, string name)
    {
        json.WriteStartArray("permission"u8);
        json.WriteStartObject();
        json.WriteString("id"u8, $"modelperm-{name}");
        json.WriteString("object"u8, "model_permission"u8);
        json.WriteNumber("created"u8, server.Started.ToUnixTimeSeconds());
        json.WriteBoolean("allow_create_engine"u8, false);
        json.WriteBoolean("allow_sampling"u8, true);
        json.WriteBoolean("allow_logprobs"u8, true);
        json.WriteBoolean("allow_search_indices"u8, false);
        json.WriteBoolean("allow_view"u8, true);
        json.WriteBoolean("allow_fine_tuning"u8, false);
        json.WriteString("organization"u8, "*"u8);
        json.WriteNull("group"u8);
        json.WriteBoolean("is_blocking"u8, false);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private void WriteCard(Utf8JsonWriter json, string name)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, name);
        json.WriteString("object"u8, "model"u8);
        json.WriteNumber("created"u8, server.Started.ToUnixTimeSeconds());
        json.WriteString("owned_by"u8, "beam"u8);
        var adapter = server.Models.Adapter(name);
        json.WriteString("root"u8, adapter?.Path ?? server.Engine.ModelFolderPath);
        json.WriteString("parent"u8, adapter is null ? null : server.Models.Names[0]);
        json.WriteNumber("max_model_len"u8, server.Engine.MaxModelLength);
        WritePermission(json, name);
        json.WriteEndObject();
    }
}
