using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;

namespace Beam.ML.Vllm.Server.Tests;

/// <summary>Adapters are models of their own to clients.</summary>
public sealed class LoraTests
{
    private static readonly string Golden = Path.GetFullPath(Path.Combine(TestServer.TinyGemma, "..", "..", "..", "tests", "Beam.ML.Vllm.Tests", "golden"));

    private static readonly LoraRequest Attention = new("attention", Path.Combine(Golden, "quantized", "lora_attention")), All = new("all", Path.Combine(Golden, "quantized", "lora_all"));

    [Test]
    public async Task A_request_names_an_adapter_as_its_model()
    {
        await using var server = await StartAsync();
        var models = (await server.GetAsync("/v1/models")).GetProperty("data").EnumerateArray().ToArray();
        Assert.That(models.Select(m => m.Text("id")), Is.EqualTo(new[] { "base", "all", "attention" }));
        Assert.That(models.Select(m => m.Text("parent")), Is.EqualTo(new[] { null, "base", "base" }));
        Assert.That((await server.GetAsync("/v1/models/all")).Text("root"), Is.EqualTo(All.Path));
        await Task.WhenAll(new (string Name, string Folder)[] { ("base", Path.Combine(Golden, "models", "llama")), (Attention.Name, Attention.Path), (All.Name, All.Path) }
            .Select(m => AssertAnswersAsync(server, m.Name, m.Folder)));
        var error = await server.ErrorAsync("/v1/completions", new { model = "other", prompt = new[] { 1 } }, HttpStatusCode.NotFound);
        Assert.That(error.Text("message"), Does.Contain("base, all, attention"));
    }

    [Test]
    public async Task Adapters_are_loaded_and_unloaded_at_run_time_where_that_is_allowed()
    {
        await using (var closed = await StartAsync()) await closed.ErrorAsync("/v1/load_lora_adapter", new { lora_name = "x", lora_path = All.Path }, HttpStatusCode.NotFound);
        await using var server = await StartAsync(new ServerOptions { AllowRuntimeLoraUpdating = true });
        await SucceedAsync(server, "/v1/load_lora_adapter", new { lora_name = "more", lora_path = All.Path });
        await AssertAnswersAsync(server, "more", All.Path);
        await server.ErrorAsync("/v1/load_lora_adapter", new { lora_name = "more", lora_path = All.Path });
        await server.ErrorAsync("/v1/load_lora_adapter", new { lora_name = "base", lora_path = All.Path });
        await server.ErrorAsync("/v1/load_lora_adapter", new { lora_name = "none" });
        var missing = await server.ErrorAsync("/v1/load_lora_adapter", new { lora_name = "none", lora_path = "/nowhere" });
        Assert.That(missing.Text("message"), Does.Contain("/nowhere"));
        await SucceedAsync(server, "/v1/unload_lora_adapter", new { lora_name = "more" });
        await server.ErrorAsync("/v1/unload_lora_adapter", new { lora_name = "more" }, HttpStatusCode.NotFound);
        await server.ErrorAsync("/v1/completions", new { model = "more", prompt = new[] { 1 } }, HttpStatusCode.NotFound);
    }

    private static Task<TestServer> StartAsync(ServerOptions? options = null) => TestServer.StartAsync(options, new EngineOptions
    {
        Model = Path.Combine(Golden, "models", "llama"), ServedModelName = "base", Dtype = ModelDtype.Float32, SkipTokenizerInit = true, NumThreads = 1,
        NumKvBlocks = 64, EnableLora = true, MaxLoras = 2, MaxCpuLoras = 3, LoraModules = [Attention, All],
    });

    private static async Task AssertAnswersAsync(TestServer server, string model, string folder)
    {
        using var expected = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(folder, "expected.json")));
        foreach (var item in expected.RootElement.GetProperty("cases").EnumerateArray().Take(3))
        {
            var answer = await server.PostAsync("/v1/completions", new
            {
                model, prompt = item.GetProperty("prompt").Ints(), max_tokens = 24, temperature = 0, ignore_eos = true, return_token_ids = true,
            });
            Assert.That(answer.Text("model"), Is.EqualTo(model));
            Assert.That(answer.At("choices", 0, "token_ids").Ints(), Is.EqualTo(item.GetProperty("greedy").Ints()), model);
        }
    }

    private static async Task SucceedAsync(TestServer server, string path, object body)
    {
        using var response = await server.Client.PostAsJsonAsync(path, body);
        var text = await response.Content.ReadAsStringAsync();
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), text);
        Assert.That(text, Does.StartWith("Success"));
    }
}
