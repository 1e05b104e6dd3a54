using System.Text.Json;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Tests.Tokenizers;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Chat;

public sealed class GoldenChatTemplateTests
{
    private static readonly JsonElement File = JsonDocument.Parse(System.IO.File.ReadAllBytes(Path.Combine(Golden.Folder, "chat_templates.json"))).RootElement;

    private static IEnumerable<TestCaseData> Cases() => File.GetProperty("cases").EnumerateArray().Select((c, i) =>
        new TestCaseData(c).SetArgDisplayNames($"{i} {c.GetProperty("template")} {c.GetProperty("conversation")}"));

    [TestCaseSource(nameof(Cases))]
    public void A_conversation_is_written_as_Transformers_writes_it(JsonElement c)
    {
        var source = File.GetProperty("templates").GetProperty(c.GetProperty("template").GetString()!).GetString()!;
        var template = ChatTemplate.Parse(source, new Dictionary<string, string>
        {
            ["bos_token"] = File.GetProperty("bos_token").GetString()!, ["eos_token"] = File.GetProperty("eos_token").GetString()!,
        });
        var options = c.GetProperty("options").EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
        var begins = options.Remove("add_generation_prompt", out var given) && given.GetBoolean();
        string Render() => template.Render(c.GetProperty("messages"), begins, variables: options);

        if (c.TryGetProperty("error", out var error)) Assert.That(Render, Throws.TypeOf<ChatTemplateException>().With.Message.EqualTo(error.GetString()!["TemplateError: ".Length..]));
        else Assert.That(Render(), Is.EqualTo(c.GetProperty("rendered").GetString()));
    }
}
