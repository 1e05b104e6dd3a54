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
    [TestCase("hermes", "<<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"<</tool\"}}<</tool_call>", "<<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"<</tool\"}}<</tool_call>", "")]
    [TestCase("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"<</tool\"}}</tool_call>\n so it is", "so it is", "f {\"a\": \"<</tool\"}")]
    [TestCase("hermes", "<tool_call>{\"name\": \"\\ud800\"}</tool_call>", "<tool_call>{\"name\": \"\\ud800\"}</tool_call>", "")]
    [TestCase("hermes", "<tool_call>", "<tool_call>", "")]
    [TestCase("llama3_json", " \n<|python", " \n<|python", "")]
    [TestCase("llama3_json", " \n<|python_tag|>no json ", " \n<|python_tag|>no json ", "")]
    [TestCase("llama3_json", "  ", "  ", "")]
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
    public void Calls_that_had_to_be_made_are_told_as_each_is_complete_and_one_cut_short_is_none()
    {
        const string Text = """[{"name": "f", "parameters": {"a": "}\"{"}}, {"name": "g", "parameters": {}}, {"name": "h", "par""";
        for (var size = 1; size <= Text.Length; size++)
        {
            var subject = new RequiredToolCallParser();
            var parsed = Text.Chunk(size).Select(chunk => subject.Append(new string(chunk), ends: false)).Append(subject.Append("", ends: true)).ToArray();
            Assert.That(parsed.SelectMany(p => p.Calls).Select(c => $"{c.Name} {c.Arguments}"), Is.EqualTo(new[] { """f {"a": "}\"{"}""", "g {}" }), $"pieces of {size}");
            Assert.That(string.Concat(parsed.Select(p => p.Content)), Is.Empty);
            if (size == 1) Assert.That(Array.FindIndex(parsed, p => p.Calls.Count > 0), Is.EqualTo(Text.IndexOf(", {\"name\": \"g\"", StringComparison.Ordinal) - 1));
        }
    }

    // Four times as many pieces take about four times the memory; what goes through all of them for each takes sixteen times.
    [TestCase("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"")]
    [TestCase("hermes", "")]
    [TestCase("llama3_json", "{\"name\": \"f\", \"arguments\": {\"a\": \"")]
    [TestCase("llama3_json", "<|python_tag|>")]
    [TestCase("llama3_json", " ")]
    public void The_work_of_a_call_grows_as_its_length_does(string parser, string beginning)
    {
        AllocatedBy(1000);
        Assert.That(AllocatedBy(8000), Is.LessThan(8 * AllocatedBy(2000) + (1 << 16)));

        long AllocatedBy(int pieces)
        {
            var subject = ToolCallParser.Create(parser);
            var piece = beginning == " " ? "    " : "abcd";
            var before = GC.GetAllocatedBytesForCurrentThread();
            subject.Append(beginning, ends: false);
            for (var i = 0; i < pieces; i++) subject.Append(piece, ends: false);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Test]
    public void A_named_tools_call_begins_with_the_first_piece_and_goes_on_with_the_others()
    {
        var subject = new NamedToolCallParser("f");
        var parsed = new[] { subject.Append("{\"a\":", ends: false), subject.Append(" 1", ends: false), subject.Append("}", ends: true) };
        Assert.That(parsed[0].Calls.Select(c => (c.Name, c.Arguments)), Is.EqualTo(new[] { ("f", "{\"a\":") }));
        Assert.That(parsed[1..].Select(p => (p.Calls.Count, p.MoreArguments)), Is.EqualTo(new[] { (0, " 1"), (0, "}") }));
    }

    [Test]
    public void A_call_nested_without_end_is_text() =>
        Assert.That(ToolCallParser.Create("hermes").Append("<tool_call>" + new string('[', 100_000) + "</tool_call>", ends: true).Calls, Is.Empty);
}
