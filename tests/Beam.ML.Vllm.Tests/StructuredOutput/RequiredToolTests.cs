using System.Text.Json;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Server.Protocol;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

public sealed class RequiredToolTests
{
    private static Language Calls(params string[] parameters)
    {
        var tools = parameters.Select((schema, i) => $$$"""{"type": "function", "function": {"name": "f{{{i}}}", "parameters": {{{schema}}}}}""");
        using var document = JsonDocument.Parse($"[{string.Join(',', tools)}]");
        return Language.Of(OutputConstraint.ForAnyTool(new SamplingParams(), document.RootElement, several: true).StructuredOutputs!);
    }

    private static string Call(int tool, string arguments) => $$"""{"name": "f{{tool}}", "parameters": {{arguments}}}""";

    [Test]
    public void Each_tool_has_the_definitions_of_its_own_schema()
    {
        const string Schema = """{"type": "object", "properties": {"v": {"$ref": "#/$defs/T"}}, "required": ["v"], "$defs": {"T": {"const": VALUE}}}""";
        var calls = Calls(Schema.Replace("VALUE", "1", StringComparison.Ordinal), Schema.Replace("VALUE", "\"text\"", StringComparison.Ordinal));
        Assert.That(calls.Accepts($"[{Call(0, """{"v": 1}""")}, {Call(1, """{"v": "text"}""")}]"), Is.True);
        Assert.That(calls.StartsWith($"[{Call(1, """{"v": 1}""")}"), Is.False);
        Assert.That(calls.StartsWith($"[{Call(0, """{"v": "text"}""")}"), Is.False);
    }

    [TestCase("#")]
    [TestCase("#/$defs/node")]
    [TestCase("#/definitions/node")]
    [TestCase("#/properties/first")]
    [TestCase("#named")]
    public void References_begin_at_the_tools_own_schema_whatever_they_name(string reference)
    {
        const string Node = """{"$anchor": "named", "type": "object", "properties": {"v": {"$ref": "REF"}}, "additionalProperties": false}""";
        const string Schema = """
            {"$id": "https://example.com/tool", "type": "object", "properties": {"v": {"$ref": "REF"}, "first": NODE}, "additionalProperties": false, "$defs": {"node": NODE}, "definitions": {"node": NODE}}
            """;
        var schema = Schema.Replace("NODE", Node, StringComparison.Ordinal).Replace("REF", reference, StringComparison.Ordinal);
        var calls = Calls("""{"type": "object", "$defs": {"node": {"const": 1}}}""", schema);
        Assert.That(calls.Accepts($"[{Call(1, """{"v": {"v": {}}}""")}]"), Is.True);
        Assert.That(calls.StartsWith($"[{Call(1, """{"v": [""")}"), Is.False);
        Assert.That(calls.StartsWith($"[{Call(1, """{"v": 1""")}"), Is.False);
    }

    [TestCase("{}")]
    [TestCase("""{"properties": {"a": {"type": "string"}}}""")]
    [TestCase("""{"$ref": "#/$defs/any", "$defs": {"any": {}}}""")]
    [TestCase("""{"type": ["object", "null", "number"]}""")]
    public void Arguments_are_an_object_also_where_the_schema_does_not_say_so(string schema)
    {
        var calls = Calls(schema);
        Assert.That(calls.Accepts($"[{Call(0, "{}")}]"), Is.True);
        foreach (var other in (string[])["null", "1", "\"text\"", "[]", "true"]) Assert.That(calls.StartsWith($"[{Call(0, other)}"), Is.False, other);
    }

    [Test]
    public void Arguments_that_are_said_to_be_something_else_are() => Assert.That(Calls("""{"type": "string"}""").Accepts($"[{Call(0, "\"text\"")}]"), Is.True);

    [Test]
    public void A_tool_without_parameters_takes_an_object() =>
        Assert.That(Calls("null", "true").Accepts($"[{Call(1, "{}")}, {Call(0, """{"a": 1}""")}]"), Is.True);
}
