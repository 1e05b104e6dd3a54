using System.Globalization;
using System.Text.Json;
using Beam.ML.Vllm.StructuredOutput;

namespace Beam.ML.Vllm.Tests.StructuredOutput;

[TestFixture]
public sealed class JsonSchemaTests
{
    [TestCase("""{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"}}}""", """{} | {"a": 1} | {"b": null} | {"a": 1, "b": null} | {"a":1,"b":null} | {¶  "a" : 1 ,¶  "b": null¶}""", """{"b": null, "a": 1} | {"a": 1,} | {,"a": 1} | {"c": 1} | { "a": 1""")]
    [TestCase("""{"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["b"]}""", """{"b": 1} | {"a": 1, "b": 2} | {"b": 1, "c": [1, {"x": "y"}]} | {"a": null, "b": 1, "c": 1}""", """{} | {"a": 1} | {"a": 1, "c": 1}""")]
    [TestCase("""{"type": "object", "properties": {"a": {}}, "minProperties": 1}""", """{"a": 1}""", "{}")]
    [TestCase("""{"type": "object"}""", """{} | {"a": [true]}""", "[] | 1")]
    [TestCase("""{"type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": {"type": "integer"}}""", """{"a": 1} | {"a": 1, "b": 2}""", """{} | {"a": 1, "b": 2, "c": 3} | {"a": "1"}""")]
    [TestCase("""{"type": "object", "properties": {"ab": {"type": "integer"}}, "additionalProperties": {"type": "string"}}""", """{"ab": 1} | {"ab": 1, "abc": "x", "a": "y"} | {"": "x"} | {"é\n": "x"}""", """{"ab": "x"} | {"a": 1} | {"abc": 2}""")]
    [TestCase("""{"type": "object", "patternProperties": {"^n_": {"type": "number"}, "^s_": {"type": "string"}}, "additionalProperties": false}""", """{} | {"n_x": 1.5, "s_": "a"}""", """{"n_x": "a"} | {"x": 1}""")]
    [TestCase("""{"type": "object", "propertyNames": {"pattern": "^[a-z]{2}$"}, "additionalProperties": {"type": "integer"}}""", """{"ab": 1}""", """{"abc": 1} | {"A": 1}""")]
    [TestCase("""{"required": ["x"]}""", """{"x": [1]}""", """{} | 1""")]
    [TestCase("""{"type": "array", "items": {"type": "boolean"}, "maxItems": 2}""", "[] | [true] | [true, false]", "[true, false, true] | [1]")]
    [TestCase("""{"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}""", """[] | [1] | [1, "a"]""", """["a"] | [1, "a", null]""")]
    [TestCase("""{"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "minItems": 2, "maxItems": 3}""", "[1, null] | [1, null, null]", "[1] | [1, 1] | [1, null, null, null]")]
    [TestCase("""{"items": [{"const": 1}], "additionalItems": false}""", "[] | [1]", "[1, 1]")]
    [TestCase("""{"type": "array", "items": false}""", "[]", "[1]")]
    [TestCase("""{"type": "array"}""", """[] | [1, "a", [null]]""", "{}")]
    [TestCase("{}", """1 | "a" | null | [] | {} | -0.5e10""", "a | 01 | [1,] | {1: 2} | nul | +1")]
    [TestCase("true", "1 | {}", "x")]
    [TestCase("""{"type": ["integer", "null"]}""", "1 | null | -7 | 0", "1.0 | -0 | 01 | \"1\"")]
    [TestCase("""{"type": "string", "nullable": true}""", "\"a\" | null", "1")]
    [TestCase("""{"type": "string"}""", """ "\"\\\/\b\f\n\r\t" | "\u0041" | "\ud83d\ude00" | "漢😀" """, """ "\x" | "\ud83d" | "\ude00" | "a"b" | a""")]
    [TestCase("""{"type": "string", "pattern": "b+"}""", """ "b" | "abbc" """, "\"a\"")]
    [TestCase("""{"type": "string", "pattern": "^\"a\\\\\n$"}""", """ "\"a\\\n" """, """ "a" """)]
    [TestCase("""{"type": "string", "pattern": "^[a-z]*$", "minLength": 2, "maxLength": 3}""", "\"ab\" | \"abc\"", "\"a\" | \"abcd\" | \"AB\"")]
    [TestCase("""{"type": "string", "maxLength": 2}""", """ "" | "\n\u00e9" | "😀😀" | "\ud83d\ude00a" """, """ "abc" """)]
    [TestCase("""{"enum": ["a\"b", [1, {"k": "é"}], 1.50]}""", """ "a\"b" | [1, {"k": "é"}] | [1,{"k":"é"}] | 1.50""", "1.5 | []")]
    [TestCase("""{"enum": [1, 2, "x", null], "type": ["integer", "string"], "minimum": 2}""", "2 | \"x\"", "1 | null")]
    [TestCase("""{"const": "x", "enum": ["x", "y"]}""", "\"x\"", "\"y\"")]
    [TestCase("""{"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"a": {"const": 1}}}]}""", "1 | {} | {\"a\": 1}", "\"a\" | {\"a\": 2}")]
    [TestCase("""{"type": "object", "properties": {"t": {"type": "string"}}, "required": ["t"], "anyOf": [{"properties": {"t": {"const": "x"}}}, {"properties": {"t": {"minLength": 3}}}]}""", """{"t": "x"} | {"t": "abc"}""", """{"t": "y"} | {}""")]
    [TestCase("""{"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 3}, "b": {"type": "null"}}}]}""", """{"a": 3} | {"a": 4, "b": null}""", """{"a": 2} | {"b": null}""")]
    [TestCase("""{"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "required": ["kind"]}, {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]}""", """{"kind": "a", "n": 1} | {"kind": "b"}""", """{"kind": "b", "n": 1} | {"kind": "c"}""")]
    [TestCase("""{"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 4}, {"type": "string"}]}""", "3 | 4 | \"\"", "null")]
    [TestCase("""{"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}}""", "1", "null")]
    [TestCase("""{"type": "array", "items": {"$ref": "#"}}""", "[] | [[], [[]]]", "[1]")]
    [TestCase("""{"type": "array", "items": {"$ref": "#x"}, "$defs": {"y": {"$anchor": "x", "type": "null"}}}""", "[null]", "[1]")]
    [TestCase("""{"definitions": {"t": {"type": "object", "properties": {"l": {"$ref": "#/definitions/t"}, "r": {"$ref": "#/definitions/t"}}, "additionalProperties": false}}, "$ref": "#/definitions/t"}""", """{} | {"l": {"r": {}}, "r": {"l": {}}}""", """{"x": {}} | {"l": 1}""")]
    [TestCase("""{"$ref": "#/$defs/a", "$defs": {"a": {"$id": "a", "type": "array", "items": {"$ref": "#/$defs/x"}, "$defs": {"x": {"const": 1}}}, "x": {"const": 2}}}""", "[1]", "[2]")]
    [TestCase("""{"properties": {"a": {"$id": "a", "type": "array", "items": {"$ref": "#"}}}}""", """{"a": [[]]}""", """{"a": [{}]}""")]
    [TestCase("""{"items": {"$id": "a", "$ref": "#x", "$defs": {"y": {"$anchor": "x", "const": 1}}}, "$defs": {"y": {"$anchor": "x", "const": 2}}, "type": "array"}""", "[1]", "[2]")]
    [TestCase("""{"items": {"$id": "#a", "$ref": "#/$defs/y"}, "$defs": {"y": {"const": 2}}, "type": "array"}""", "[2]", "[1]")]
    [TestCase("""{"type": "integer", "multipleOf": 7}""", "0 | 7 | -14 | 700", "1 | 8 | -15")]
    [TestCase("""{"type": "number", "multipleOf": 0.01}""", "1 | 1.5 | 0.25", "0.125")]
    [TestCase("""{"type": "number", "minimum": 0, "exclusiveMinimum": true}""", "0.1 | 1 | 10.5", "0 | 0.0 | -1")]
    [TestCase("""{"format": "uuid"}""", "\"123e4567-e89b-12d3-a456-426614174000\"", "\"123e4567\"")]
    [TestCase("""{"format": "date-time"}""", "\"2024-02-29T23:59:59.5Z\" | \"1999-12-31T00:00:00+02:00\"", "\"2023-02-29T00:00:00Z\" | \"2024-02-29\"")]
    [TestCase("""{"format": "time"}""", "\"01:02:03Z\"", "\"24:00:00Z\"")]
    [TestCase("""{"format": "ipv4"}""", "\"127.0.0.1\" | \"255.255.255.255\"", "\"256.0.0.1\" | \"1.2.3\"")]
    [TestCase("""{"format": "ipv6"}""", "\"::1\" | \"fe80::1:2\" | \"1:2:3:4:5:6:7:8\" | \"::\"", "\"1:2\" | \"1::2::3\" | \"1:2:3:4:5:6:7:8:9\"")]
    [TestCase("""{"format": "email"}""", "\"a.b+c@example.com\"", "\"a@b@c\" | \"@x\"")]
    [TestCase("""{"format": "uri"}""", "\"https://a.b/c?d=e#f\" | \"mailto:x@y\"", "\"no scheme\" | \"://x\"")]
    [TestCase("""{"format": "duration"}""", "\"P1Y2M3DT4H5M6S\" | \"PT1S\" | \"P2W\"", "\"P\" | \"1Y\"")]
    [TestCase("""{"title": "T", "description": "d", "default": 1, "examples": [2], "$schema": "x", "x-own": 1, "type": "integer"}""", "5", "null")]
    public void A_schema_accepts_what_fits_it(string schema, string accepted, string refused)
    {
        var language = Language.Json(schema);
        Assert.Multiple(() =>
        {
            foreach (var text in Texts(accepted)) Assert.That(language.Accepts(text), Is.True, text);
            foreach (var text in Texts(refused)) Assert.That(language.Accepts(text), Is.False, text);
        });

        static IEnumerable<string> Texts(string list) => list.Split(" | ").Select(t => t.Trim(' ').Replace('¶', '\n'));
    }

    [TestCase("""{"not": {"type": "string"}}""", "'not'")]
    [TestCase("""{"type": "array", "uniqueItems": true}""", "'uniqueItems'")]
    [TestCase("""{"type": "array", "contains": {}}""", "'contains'")]
    [TestCase("""{"if": {}, "then": {}}""", "'if'")]
    [TestCase("""{"type": "object", "dependentRequired": {}}""", "'dependentRequired'")]
    [TestCase("""{"unevaluatedProperties": {"type": "string"}}""", "'unevaluatedProperties'")]
    [TestCase("""{"format": "hyperlink"}""", "hyperlink")]
    [TestCase("""{"type": "integer", "multipleOf": 0.3}""", "multipleOf")]
    [TestCase("""{"oneOf": [{"type": "integer"}, {"type": "number"}]}""", "oneOf")]
    [TestCase("""{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}""", "oneOf")]
    [TestCase("""{"$ref": "https://example.com/schema"}""", "'$ref'")]
    [TestCase("""{"$ref": "#/$defs/none"}""", "is not there")]
    [TestCase("""{"type": "text"}""", "'text'")]
    [TestCase("""{"type": "string", "minLength": "3"}""", "'minLength'")]
    [TestCase("""{"type": "string", "pattern": "(?=a)"}""", "look-ahead")]
    [TestCase("""{"type": "integer", "minimum": 5, "maximum": 4}""", "No text fits")]
    [TestCase("""{"type": "string", "minLength": 5, "maxLength": 4}""", "No text fits")]
    [TestCase("""{"type": "object", "properties": {"a": false}, "required": ["a"]}""", "No text fits")]
    [TestCase("""{"enum": []}""", "No text fits")]
    [TestCase("""{"patternProperties": {"a": {}, "b": {}}}""", "the same name")]
    [TestCase("[1]", "must be an object")]
    [TestCase("false", "No text fits")]
    [TestCase("""{"anyOf": 1}""", "'anyOf'")]
    public void What_a_schema_says_that_cannot_be_followed_is_refused_by_name(string schema, string reason) =>
        Assert.That(() => Language.Json(schema), Throws.InstanceOf<StructuredOutputException>().With.Message.Contains(reason));

    [Test]
    public void White_space_is_free_or_that_of_json_dumps_or_of_a_pattern()
    {
        const string Schema = """{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}, "required": ["a"]}""";
        const string Dumps = "{\"a\": [1, 2]}";
        var free = Language.Json(Schema);
        var dumps = Language.Of(new() { Json = Schema, DisableAnyWhitespace = true });
        var none = Language.Of(new() { Json = Schema, WhitespacePattern = "" });
        Assert.Multiple(() =>
        {
            Assert.That(free.Accepts(Dumps) && dumps.Accepts(Dumps) && !none.Accepts(Dumps));
            Assert.That(free.Accepts("{\n\t\"a\" :[1,\r\n2 ] }") && !dumps.Accepts("{\"a\":[1,2]}") && none.Accepts("{\"a\":[1,2]}"));
            Assert.That(free.StartsWith("{" + new string(' ', 100)), Is.False, "blanks come to an end");
        });
    }

    [Test]
    public void Json_object_is_any_object()
    {
        var language = Language.Of(new() { JsonObject = true });
        Assert.Multiple(() =>
        {
            Assert.That(language.Accepts("""{"a": [1, null], "b": {}}"""));
            Assert.That(language.Accepts("[1]"), Is.False);
        });
    }

    [Test]
    public void Bounds_of_numbers_are_exact()
    {
        var random = new Random(3);
        for (var i = 0; i < 150; i++)
        {
            var integers = i % 2 == 0;
            var (a, b) = (Number(random, integers), Number(random, integers));
            var (low, high) = (Math.Min(a, b), Math.Max(a, b));
            var (openLow, openHigh) = (random.Next(2) == 0, random.Next(2) == 0);
            if (low == high && (openLow || openHigh)) continue;
            var schema = $$"""{"type": "{{(integers ? "integer" : "number")}}", "{{(openLow ? "exclusiveMinimum" : "minimum")}}": {{Write(low)}}, "{{(openHigh ? "exclusiveMaximum" : "maximum")}}": {{Write(high)}}}""";
            Language language;
            try
            {
                language = Language.Json(schema);
            }
            catch (StructuredOutputException) when (integers && openLow && openHigh && high - low <= 1)
            {
                continue;
            }
            foreach (var value in Enumerable.Range(0, 60).Select(_ => Number(random, integers)).Concat([low, high, low + 1, high - 1]))
            {
                if (value == 0 && Write(value) != "0") continue;
                var inside = (openLow ? value > low : value >= low) && (openHigh ? value < high : value <= high);
                Assert.That(language.Accepts(Write(value)), Is.EqualTo(inside), $"{Write(value)} in {schema}");
            }
        }
    }

    [Test]
    public void Any_text_that_is_accepted_is_json()
    {
        var random = new Random(8);
        foreach (var schema in (string[])["{}", """{"type": "object", "properties": {"a": {}}, "additionalProperties": true}""", """{"type": "array", "items": {"type": "string", "pattern": "\\W"}}"""])
            for (var i = 0; i < 60; i++)
            {
                var constraint = Language.Json(schema).Constraint;
                var place = constraint.Start;
                var text = new List<byte>();
                while (!(place.IsEnd && (text.Count > 40 || random.Next(8) == 0)) && text.Count < 4000)
                {
                    var mask = constraint.MaskOf(place);
                    var options = Enumerable.Range(0, 256).Where(mask.Allows).ToArray();
                    if (options.Length == 0) break;
                    var closing = options.Where(o => o is '"' or ']' or '}').ToArray();
                    var chosen = closing.Length > 0 && (text.Count > 40 || random.Next(3) == 0) ? closing[random.Next(closing.Length)] : options[random.Next(options.Length)];
                    text.Add((byte)chosen);
                    place = constraint.After(place, chosen);
                }
                if (place.IsEnd) Assert.That(() => JsonDocument.Parse(text.ToArray(), new() { MaxDepth = 1000 }), Throws.Nothing);
            }
    }

    private static decimal Number(Random random, bool integer)
    {
        var digits = random.Next(4);
        var value = (decimal)random.Next((int)Math.Pow(10, digits + 1));
        if (!integer) value += random.Next(3) == 0 ? 0 : random.Next(1000) / 1000m;
        return random.Next(2) == 0 ? value : -value;
    }

    private static string Write(decimal value) => (value / 1.0000000000000000000000000000m).ToString(CultureInfo.InvariantCulture);
}
