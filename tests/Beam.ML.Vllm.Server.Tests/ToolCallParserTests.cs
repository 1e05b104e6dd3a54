using Beam.ML.Vllm.Server.Tools;

namespace Beam.ML.Vllm.Server.Tests;

public sealed class ToolCallParserTests
{
    [TestCase("hermes", "Just text.", "Just text.", "")]
    [TestCase("hermes", "Wait.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", "Wait.", "f {\"a\": 1}")]
    [TestCase("hermes", "<tool_call>{\"name\": \"f\"}</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>\n", "", "f {};g {}")]
    [TestCase("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"</b>\"}}", "", "f {\"a\": \"</b>\"}")]
    [TestCase("hermes", "a < b <tool", "a < b <tool", "")]
    [TestCase("hermes", "<tool_call>no json</tool_call> after", "<tool_call>no json</tool_call> after", "")]
    [TestCase("llama3_json", "Just text.", "Just text.", "")]
    [TestCase("llama3_json", "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "", "f {\"a\": 1}")]
    [TestCase("llama3_json", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", "", "f {};g {}")]
    [TestCase("llama3_json", "{\"not\": \"a call\"}", "{\"not\": \"a call\"}", "")]
    public void Calls_are_found_whole_and_in_pieces(string parser, string text, string content, string calls)
    {
        for (var size = 1; size <= text.Length; size++)
        {
            var subject = ToolCallParser.Create(parser);
            var pieces = text.Chunk(size).Select(chunk => new string(chunk)).ToArray();
            var parsed = pieces.Select((piece, i) => subject.Append(piece, i == pieces.Length - 1)).ToArray();
            Assert.That(string.Concat(parsed.Select(p => p.Content)), Is.EqualTo(content), $"pieces of {size}");
            Assert.That(string.Join(';', parsed.SelectMany(p => p.Calls).Select(c => $"{c.Name} {c.Arguments}")), Is.EqualTo(calls), $"pieces of {size}");
        }
    }

    [Test]
    public void A_list_of_calls_that_had_to_be_made_is_read_at_its_end_and_one_cut_short_is_text()
    {
        var whole = new RequiredToolCallParser();
        Assert.That(whole.Append("[{\"name\": \"f\", ", ends: false).Content, Is.Empty);
        Assert.That(whole.Append("\"parameters\": {\"a\": 1}}]", ends: true).Calls.Single().Arguments, Is.EqualTo("{\"a\": 1}"));
        var cut = new RequiredToolCallParser().Append("[{\"name\": \"f\"", ends: true);
        Assert.That((cut.Content, cut.Calls.Count), Is.EqualTo(("[{\"name\": \"f\"", 0)));
    }

    [Test]
    public void A_call_nested_without_end_is_text() =>
        Assert.That(ToolCallParser.Create("hermes").Append("<tool_call>" + new string('[', 100_000) + "</tool_call>", ends: true).Calls, Is.Empty);
}
