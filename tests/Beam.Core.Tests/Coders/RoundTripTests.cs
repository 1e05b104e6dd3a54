using Beam.Coders;
using PropertyAttribute = FsCheck.NUnit.PropertyAttribute;

namespace Beam.Core.Tests.Coders;

/// <summary>Whatever is encoded comes back, nested or not, on the other side of a pipeline proto.</summary>
public class RoundTripTests
{
    public enum Color : byte { Red, Green = 7, Blue = 255 }

    public sealed record Address(string Street, int? Number, string? Comment);

    public sealed record Person(string Name, byte Age, Address Home, Address? Work, List<string> Tags, Dictionary<string, long> Scores, Color Color);

    public struct Point
    {
        public double X { get; set; }

        public float Y;
    }

    public sealed class Poco
    {
        public int Id { get; set; }

        public string? Name { get; set; }

        public DateTimeOffset At { get; init; }
    }

    public sealed record Everything(
        sbyte A, byte B, short C, ushort D, int E, uint F, long G, ulong H, bool I, char J, float K, double L, decimal M,
        Guid N, DateTime O, DateTimeOffset P, TimeSpan Q, DateOnly R, TimeOnly S, byte[] T, Color U, Timestamp V, (int, string) W, KV<int, long> X);

    // Text with half of a surrogate pair has no UTF-8; that is a test of its own.
    private static string WellFormed(string? text) => new([.. (text ?? "").Where(c => !char.IsSurrogate(c))]);

    [Property] public void Longs(long value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Ulongs(ulong value) => CoderTester.AssertRoundTrips(ulong.MaxValue - value);
    [Property] public void Ints(int value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Shorts(short value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Bytes(byte value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Chars(char value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Booleans(bool value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Doubles(double value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Floats(float value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Decimals(decimal value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Texts(string? value) => CoderTester.AssertRoundTrips(WellFormed(value));
    [Property] public void Byte_arrays(byte[] value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Guids(Guid value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Instants(DateTimeOffset value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Local_times(DateTime value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Durations(TimeSpan value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Enums(Color value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Pairs(string? key, long value) => CoderTester.AssertRoundTrips(KV.Of(WellFormed(key), value));
    [Property] public void Tuples(int a, string? b, bool c) => CoderTester.AssertRoundTrips((a, WellFormed(b), c));
    [Property] public void Lists(List<int> value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Arrays_of_nullables(long?[] value) => CoderTester.AssertRoundTrips(value);
    [Property] public void Nested_lists(List<int[]> value) => CoderTester.AssertRoundTrips(value);

    [Property]
    public void Timestamps(long value) =>
        CoderTester.AssertRoundTrips(Timestamp.FromMilliseconds(value % 9223372036854775));

    [Property]
    public void Dictionaries(Dictionary<int, long> value) => CoderTester.AssertRoundTrips(value);

    [Property]
    public void Records(byte age, int? number, string? comment, bool works, Color color, List<int> scores)
    {
        var home = new Address(WellFormed(comment), number, comment is null ? null : WellFormed(comment));
        var person = new Person("P", age, home, works ? home with { Number = 7 } : null, [WellFormed(comment)], scores.Distinct().ToDictionary(s => $"{s}", s => (long)s), color);
        var coder = CoderTester.OverProto<Person>();
        var back = coder.FromBytes(new CoderRegistry().Get<Person>().ToBytes(person));
        Assert.That(back with { Tags = person.Tags, Scores = person.Scores }, Is.EqualTo(person));
        Assert.That(back.Tags, Is.EqualTo(person.Tags));
        Assert.That(back.Scores, Is.EqualTo(person.Scores));
    }

    [Test]
    public void A_record_of_every_type([Values(0, 1, 2)] int which)
    {
        var value = which switch
        {
            0 => new Everything(sbyte.MinValue, 255, short.MinValue, ushort.MaxValue, int.MinValue, uint.MaxValue, long.MinValue, ulong.MaxValue, true,
                '\uD800', float.Epsilon, double.MaxValue, decimal.MinValue, Guid.Parse("00112233-4455-6677-8899-aabbccddeeff"), DateTime.MaxValue,
                DateTimeOffset.MaxValue, TimeSpan.MinValue, DateOnly.MinValue, TimeOnly.MaxValue, [1, 0, 255], Color.Blue, Timestamp.MaxValue, (-1, "x"), KV.Of(1, -1L)),
            1 => new Everything(0, 0, 0, 0, 0, 0, 0, 0, false, '\0', 0, 0, 0.0000000000000000000000000001m, Guid.Empty, default, DateTimeOffset.MinValue,
                TimeSpan.MaxValue, DateOnly.MaxValue, default, [], Color.Red, Timestamp.MinValue, (0, ""), default),
            _ => new Everything(-1, 1, -1, 1, -1, 1, -1, 1, true, 'é', -1.5f, double.NegativeInfinity, -79.50m, Guid.AllBitsSet,
                new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), new DateTimeOffset(1969, 12, 31, 23, 59, 59, 999, TimeSpan.FromHours(2)).AddTicks(7),
                TimeSpan.FromTicks(-1), new(1969, 12, 31), new(1), [9], (Color)9, Timestamp.EndOfGlobalWindow, (1, "ü€😀"), KV.Of(0, 1L)),
        };
        var back = CoderTester.OverProto<Everything>().FromBytes(new CoderRegistry().Get<Everything>().ToBytes(value));
        Assert.That(back.T, Is.EqualTo(value.T));
        Assert.That(back.O.Kind, Is.EqualTo(value.O.Kind));
        Assert.That(back with { T = value.T }, Is.EqualTo(value));
    }

    [Test]
    public void A_struct_and_a_class_with_setters()
    {
        var registry = new CoderRegistry();
        var point = registry.Get<Point>().FromBytes(registry.Get<Point>().ToBytes(new Point { X = 1.5, Y = -2 }));
        Assert.That((point.X, point.Y), Is.EqualTo((1.5, -2f)));

        var at = new DateTimeOffset(2026, 5, 6, 7, 8, 9, TimeSpan.Zero);
        var poco = registry.Get<Poco>().FromBytes(registry.Get<Poco>().ToBytes(new Poco { Id = 3, At = at }));
        Assert.That((poco.Id, poco.Name, poco.At), Is.EqualTo((3, (string?)null, at)));
    }

    [Test]
    public void Tuples_of_one_to_seven_items()
    {
        CoderTester.AssertRoundTrips(ValueTuple.Create("a"));
        CoderTester.AssertRoundTrips(("a", 2));
        CoderTester.AssertRoundTrips(Tuple.Create("a", 2));
        CoderTester.AssertRoundTrips(Tuple.Create(1, "b", 3.0));
        CoderTester.AssertRoundTrips((1, "b", 3.0, true));
        CoderTester.AssertRoundTrips((1, "b", 3.0, true, 5L));
        CoderTester.AssertRoundTrips((1, "b", 3.0, true, 5L, 'f'));
        CoderTester.AssertRoundTrips((1, "b", 3.0, true, 5L, 'f', "g"));
    }

    [Test]
    public void Collections_and_their_interfaces()
    {
        CoderTester.AssertRoundTrips<IEnumerable<string>>(["a", "b"]);
        CoderTester.AssertRoundTrips<IReadOnlyList<string>>(["a", ""]);
        CoderTester.AssertRoundTrips<IList<int>>([1]);
        CoderTester.AssertRoundTrips<IReadOnlyCollection<KV<string, int>>>([KV.Of("a", 1)]);
        CoderTester.AssertRoundTrips(new HashSet<int> { 1, 2, 3 });
        CoderTester.AssertRoundTrips<ISet<string>>(new HashSet<string> { "x" });
        CoderTester.AssertRoundTrips<IReadOnlyDictionary<string, int[]>>(new Dictionary<string, int[]> { ["a"] = [1, 2], ["b"] = [] });
        CoderTester.AssertRoundTrips(new Uri("https://beam.apache.org/?q=1"));
        CoderTester.AssertRoundTrips<KeyValuePair<string, int>>(new("k", 1));
        CoderTester.AssertRoundTrips(new ShardedKey<string>("k", new byte[] { 1, 2 }));
        CoderTester.AssertRoundTrips(Enumerable.Range(0, 100_000).ToList());
        CoderTester.AssertRoundTrips(new string('é', 5000));
    }

    public sealed record Wide(
        int? A0, int? A1, int? A2, int? A3, int? A4, int? A5, int? A6, int? A7, int? A8, int? A9, int? B0, int? B1, int? B2, int? B3, int? B4, int? B5,
        int? B6, int? B7, int? B8, int? B9, int? C0, int? C1, int? C2, int? C3, int? C4, int? C5, int? C6, int? C7, int? C8, int? C9, int? D0, int? D1,
        int? D2, int? D3, int? D4, int? D5, int? D6, int? D7, int? D8, int? D9, int? E0, int? E1, int? E2, int? E3, int? E4, int? E5, int? E6, int? E7,
        int? E8, int? E9, int? F0, int? F1, int? F2, int? F3, int? F4, int? F5, int? F6, int? F7, int? F8, int? F9, int? G0, int? G1, int? G2, int? G3,
        int? G4, int? G5, int? G6);

    [Test]
    public void More_fields_than_a_word_has_bits()
    {
        var constructor = typeof(Wide).GetConstructors()[0];
        Wide Of(Func<int, int?> value) => (Wide)constructor.Invoke([.. Enumerable.Range(0, 67).Select(i => (object?)value(i))]);
        CoderTester.AssertRoundTrips(Of(_ => null));
        CoderTester.AssertRoundTrips(Of(i => i));
        CoderTester.AssertRoundTrips(Of(i => i == 63 ? null : i));
        CoderTester.AssertRoundTrips(Of(i => i is 66 or 64 or 0 ? null : -i));
    }

    [Property]
    public void Windowed_values(string? key, long value, int time, byte flags, int index)
    {
        var element = KV.Of(WellFormed(key), value);
        var elements = new CoderRegistry().Get<KV<string, long>>();
        var pane = new PaneInfo((flags & 1) != 0, (flags & 2) != 0, (PaneTiming)(flags >> 2 & 3), Math.Abs((long)index), (flags & 16) != 0 ? -1 : flags);
        IReadOnlyList<BoundedWindow> intervals = [.. Enumerable.Range(0, 1 + (flags % 3)).Select(i => new IntervalWindow(new Timestamp(time - i), new Timestamp(time + 1000L)))];

        var global = new Beam.Coders.Windows.WindowedValueCoder<KV<string, long>>(elements, Beam.Coders.Windows.GlobalWindowCoder.Instance);
        foreach (var p in new[] { pane, PaneInfo.NoFiring })
        {
            var sent = new WindowedValue<KV<string, long>>(element, new Timestamp(time), GlobalWindow.Windows, p);
            Assert.That(global.FromBytes(global.ToBytes(sent, nested: true), nested: true), Is.EqualTo(sent));
        }

        var interval = new Beam.Coders.Windows.WindowedValueCoder<KV<string, long>>(elements, Beam.Coders.Windows.IntervalWindowCoder.Instance);
        var windowed = new WindowedValue<KV<string, long>>(element, new Timestamp(time), intervals, pane);
        Assert.That(interval.FromBytes(interval.ToBytes(windowed)), Is.EqualTo(windowed));
        Assert.That(interval.FromBytes(interval.ToBytes(windowed)), Is.EqualTo(windowed), "with the windows remembered");
    }
}
