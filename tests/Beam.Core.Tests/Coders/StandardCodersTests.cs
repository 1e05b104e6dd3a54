using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Beam.Coders;
using Beam.Model.Pipeline;
using Beam.Schemas;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Coder = Beam.Coders.Coder;
using Row = Beam.Schemas.Row;

namespace Beam.Core.Tests.Coders;

/// <summary>Beam's own examples of what each standard coder makes of which value.</summary>
public class StandardCodersTests
{
    private static IEnumerable<TestCaseData> Groups()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(TestData.PathOf("beam-model/standard_coders.json")));
        var index = 0;
        foreach (var group in file.RootElement.EnumerateArray())
        {
            var coder = group.GetProperty("coder");
            bool[] contexts = group.GetProperty("nested") is { ValueKind: not JsonValueKind.Null } one ? [one.GetBoolean()] : [false, true];
            foreach (var nested in contexts)
            {
                yield return new TestCaseData(coder.Clone(), group.GetProperty("examples").Clone(), nested)
                    .SetArgDisplayNames($"{++index}: {coder.GetProperty("urn").GetString()}{(nested ? ", nested" : "")}");
            }
        }
    }

    [TestCaseSource(nameof(Groups))]
    public void Reads_and_writes_what_every_SDK_does(JsonElement spec, JsonElement examples, bool nested)
    {
        var coders = new MapField<string, Model.Pipeline.Coder>();
        var coder = new CoderTranslator(coders, null).FromProto(AddCoder(spec, coders), null);
        var state = new FixedState(spec);
        var writes = !spec.TryGetProperty("non_deterministic", out var flag) || !flag.GetBoolean();
        foreach (var example in examples.EnumerateArray())
        {
            var hex = example.GetProperty("encoded_hex").GetString()!;
            var reader = new CoderReader(Convert.FromHexString(hex), state);
            var value = coder.DecodeObject(ref reader, nested);
            reader.ExpectEnd();
            AssertIs(example.GetProperty("value"), value, hex);
            if (!writes) continue;
            using var writer = new CoderWriter();
            coder.EncodeObject(value, writer, nested);
            Assert.That(Convert.ToHexStringLower(writer.WrittenSpan), Is.EqualTo(hex), example.GetProperty("value").GetRawText());
        }
    }

    [Test]
    public void All_groups_are_tested() =>
        Assert.That(Groups().Select(group => ((JsonElement)group.Arguments[1]!).GetRawText() + ((JsonElement)group.Arguments[0]!).GetRawText()).Distinct().Count(), Is.EqualTo(42));

    private static string AddCoder(JsonElement spec, MapField<string, Model.Pipeline.Coder> coders)
    {
        var proto = new Model.Pipeline.Coder
        {
            Spec = new FunctionSpec
            {
                Urn = spec.GetProperty("urn").GetString(),
                Payload = ByteString.CopyFrom(spec.TryGetProperty("payload", out var payload) ? Latin1(payload) : []),
            },
        };
        if (spec.TryGetProperty("components", out var components))
            foreach (var component in components.EnumerateArray()) proto.ComponentCoderIds.Add(AddCoder(component, coders));
        var id = $"c{coders.Count}";
        coders.Add(id, proto);
        return id;
    }

    private static byte[] Latin1(JsonElement text) => Encoding.Latin1.GetBytes(text.GetString()!);

    private static void AssertIs(JsonElement expected, object? actual, string hex)
    {
        switch (actual)
        {
            case null:
                Assert.That(expected.ValueKind, Is.EqualTo(JsonValueKind.Null), hex);
                break;
            case bool value:
                Assert.That(value, Is.EqualTo(expected.GetBoolean()), hex);
                break;
            case long or int or short or sbyte:
                Assert.That(Convert.ToInt64(actual, CultureInfo.InvariantCulture), Is.EqualTo(expected.GetInt64()), hex);
                break;
            case string value:
                Assert.That(value, Is.EqualTo(expected.GetString()), hex);
                break;
            case byte[] value:
                Assert.That(value, Is.EqualTo(Latin1(expected)), hex);
                break;
            case double value:
                var parsed = ParseDouble(expected.GetString()!);
                Assert.That(value, Is.EqualTo(parsed), hex);
                Assert.That(double.IsNegative(value), Is.EqualTo(double.IsNegative(parsed) && !double.IsNaN(parsed)), hex);
                break;
            case float value:
                Assert.That(value, Is.EqualTo(float.Parse(expected.GetString()!, CultureInfo.InvariantCulture)), hex);
                break;
            case decimal value:
                Assert.That(value.ToString(CultureInfo.InvariantCulture), Is.EqualTo(expected.GetString()), hex);
                break;
            case Timestamp value when expected.GetInt64() is var number:
                // The examples of millis_instant give the representation, whose sign bit is flipped for sorting.
                Assert.That(value.Milliseconds, Is.EqualTo(number).Or.EqualTo(number ^ long.MinValue), hex);
                break;
            case DateTimeOffset value:
                Assert.That(value.ToUnixTimeMilliseconds() * 1000 + value.Microsecond,
                    Is.EqualTo((expected.GetProperty("seconds").GetInt64() * 1_000_000) + expected.GetProperty("micros").GetInt64()), hex);
                break;
            case GlobalWindow:
                Assert.That(expected.GetString(), Is.EqualTo("global").Or.Empty, hex);
                break;
            case IntervalWindow value:
                var window = expected.TryGetProperty("window", out var inner) ? inner : expected;
                Assert.That(value.End.Milliseconds, Is.EqualTo(window.GetProperty("end").GetInt64()), hex);
                Assert.That(value.End.Milliseconds - value.Start.Milliseconds, Is.EqualTo(window.GetProperty("span").GetInt64()), hex);
                break;
            case PaneInfo value:
                Assert.That(value.IsFirst, Is.EqualTo(expected.GetProperty("is_first").GetBoolean()), hex);
                Assert.That(value.IsLast, Is.EqualTo(expected.GetProperty("is_last").GetBoolean()), hex);
                Assert.That(value.Timing.ToString(), Is.EqualTo(expected.GetProperty("timing").GetString()!.Replace("_", "", StringComparison.Ordinal)).IgnoreCase, hex);
                Assert.That(value.Index, Is.EqualTo(expected.GetProperty("index").GetInt64()), hex);
                Assert.That(value.NonSpeculativeIndex, Is.EqualTo(expected.GetProperty("on_time_index").GetInt64()), hex);
                break;
            case Row row:
                Assert.That(expected.EnumerateObject().Select(field => field.Name), Is.EquivalentTo(row.Schema.Fields.Select(field => field.Name)), hex);
                foreach (var field in expected.EnumerateObject()) AssertIs(field.Value, row[field.Name], hex);
                break;
            case IDictionary map:
                Assert.That(map.Count, Is.EqualTo(expected.EnumerateObject().Count()), hex);
                foreach (var entry in expected.EnumerateObject()) AssertIs(entry.Value, map[entry.Name], hex);
                break;
            case IEnumerable values:
                var list = values.Cast<object?>().ToList();
                Assert.That(list, Has.Count.EqualTo(expected.GetArrayLength()), hex);
                for (var i = 0; i < list.Count; i++) AssertIs(expected[i], list[i], hex);
                break;
            case ReadOnlyMemory<byte> value:
                Assert.That(value.ToArray(), Is.EqualTo(Latin1(expected)), hex);
                break;
            default:
                // KV, WindowedValue, ShardedKey, Timer: each JSON property is a property of the value.
                var cleared = actual.GetType().GetProperty("IsCleared")?.GetValue(actual) is true;
                foreach (var property in expected.EnumerateObject())
                {
                    var name = property.Name switch { "userKey" => "Key", "dynamicTimerTag" => "DynamicTag", "clearBit" => "IsCleared", var other => other };
                    var info = actual.GetType().GetProperties().Single(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
                    AssertIs(property.Value, info.GetValue(actual), hex);
                }

                Assert.That(expected.EnumerateObject().Count(), Is.EqualTo(cleared ? 4 : actual.GetType().GetProperties().Length), hex);
                break;
        }
    }

    private static double ParseDouble(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private sealed class FixedState(JsonElement spec) : IIterableStateReader
    {
        // One byte a page: values lie across the borders.
        public IEnumerable<ReadOnlyMemory<byte>> ReadPages(ReadOnlyMemory<byte> token) =>
            Latin1(spec.GetProperty("state").GetProperty(Encoding.UTF8.GetString(token.Span))).Select(b => (ReadOnlyMemory<byte>)new[] { b });
    }
}
