using Beam.Coders;
using Beam.Model;
using Beam.Schemas;

namespace Beam.Core.Tests.Coders;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public class InferenceTests
{
    private readonly CoderRegistry _registry = new();

    public sealed record Node(string Name, List<Node> Children);

    public sealed record Holder(string Name, Stream Body);

    public sealed record Outer(int Id, List<Holder> Holders);

    public sealed class Secretive(int seed)
    {
        private readonly Random _random = new(seed);

        public int Next() => _random.Next();
    }

    public sealed class GetOnly
    {
        public List<int> Items { get; } = [];
    }

    public sealed class Classic(string name)
    {
        private readonly string _name = name;
        [Transient] private int _hash;

        public string Name => _name;

        public int Length => Name.Length;

        public int Cached() => _hash == 0 ? _hash = Name.Length : _hash;
    }

    public record Animal(string Name);

    public sealed record Dog(string Name, string Breed) : Animal(Name);

    public sealed record Celsius(double Degrees);

    public sealed record Reading(string Where, Celsius Value, Celsius? Low);

    private sealed class CelsiusCoder : Coder<Celsius>
    {
        public override void Encode(Celsius value, CoderWriter writer, bool nested) => writer.WriteBigEndianInt16((short)(value.Degrees * 10));

        public override Celsius Decode(ref CoderReader reader, bool nested) => new(reader.ReadBigEndianInt16() / 10.0);
    }

    public readonly record struct Range<T>(T From, T To);

    [TestCase(typeof(int), BeamUrns.Coders.Varint)]
    [TestCase(typeof(ulong), BeamUrns.Coders.Varint)]
    [TestCase(typeof(DayOfWeek), BeamUrns.Coders.Varint)]
    [TestCase(typeof(string), BeamUrns.Coders.StringUtf8)]
    [TestCase(typeof(byte[]), BeamUrns.Coders.Bytes)]
    [TestCase(typeof(float), BeamUrns.Coders.Double)]
    [TestCase(typeof(KV<string, int>), BeamUrns.Coders.Kv)]
    [TestCase(typeof((string, int)), BeamUrns.Coders.Kv)]
    [TestCase(typeof(List<int>), BeamUrns.Coders.Iterable)]
    [TestCase(typeof(Dictionary<string, int>), BeamUrns.Coders.Iterable)]
    [TestCase(typeof(int?), BeamUrns.Coders.Nullable)]
    [TestCase(typeof(Animal), BeamUrns.Coders.Row)]
    public void What_Beam_has_a_coder_for_travels_by_its_urn(Type type, string urn) => Assert.That(_registry.Get(type).Urn, Is.EqualTo(urn));

    [Test]
    public void A_recursive_type_is_explained() =>
        Assert.That(() => _registry.Get<Node>(), Throws.InstanceOf<CoderNotFoundException>()
            .With.Message.Contains("Node.Children[]").And.Message.Contains("contains itself"));

    [Test]
    public void A_member_without_a_coder_is_named_with_its_path() =>
        Assert.That(() => _registry.Get<KV<string, Outer>>(), Throws.InstanceOf<CoderNotFoundException>()
            .With.Message.Contains("KV<String, InferenceTests.Outer>.Value.Holders[].Body of type Stream").And.Message.Contains("Register"));

    [Test]
    public void State_that_would_be_lost_is_refused()
    {
        Assert.That(() => _registry.Get<Secretive>(), Throws.InstanceOf<CoderNotFoundException>());
        Assert.That(() => _registry.Get<GetOnly>(), Throws.InstanceOf<CoderNotFoundException>().With.Message.Contains("Items"));
        Assert.That(() => _registry.Get<object>(), Throws.InstanceOf<CoderNotFoundException>());
        Assert.That(() => _registry.Get<Func<int>>(), Throws.InstanceOf<CoderNotFoundException>());
        Assert.That(() => _registry.Get<Row>(), Throws.InstanceOf<CoderNotFoundException>().With.Message.Contains("schema"));
    }

    [Test]
    public void A_class_whose_constructor_takes_its_properties_is_a_row()
    {
        var coder = _registry.Get<Classic>();
        Assert.That(coder.FromBytes(coder.ToBytes(new Classic("x"))).Name, Is.EqualTo("x"));
        Assert.That(((RowCoder<Classic>)coder).Schema.Fields.Select(field => field.Name), Is.EqualTo(new[] { "Name" }));
    }

    [Test]
    public void A_derived_object_is_not_cut_down_to_its_base()
    {
        var coder = _registry.Get<Animal>();
        Assert.That(coder.FromBytes(coder.ToBytes(new Animal("a"))), Is.EqualTo(new Animal("a")));
        Assert.That(() => coder.ToBytes(new Dog("d", "b")), Throws.InstanceOf<CoderException>().With.Message.Contains("Dog"));
        CoderTester.AssertRoundTrips(new Dog("d", "b"));
    }

    [Test]
    public void Null_is_refused_where_it_was_not_declared()
    {
        Assert.That(() => _registry.Get<string>().ToBytes(null!), Throws.InstanceOf<CoderException>().With.Message.Contains("null"));
        Assert.That(() => _registry.Get<Animal>().ToBytes(null!), Throws.InstanceOf<CoderException>());
        Assert.That(() => _registry.Get<Animal>().ToBytes(new Animal(null!)), Throws.InstanceOf<CoderException>().With.Message.Contains("Animal.Name"));
        Assert.That(() => _registry.Get<List<string>>().ToBytes([null!]), Throws.InstanceOf<CoderException>());
    }

    [Test]
    public void Nullability_of_members_and_of_their_parts_is_in_the_schema()
    {
        var schema = ((RowCoder<Nullabilities>)_registry.Get<Nullabilities>()).Schema;
        Assert.That(schema.Fields.Select(field => field.Type), Is.EqualTo(new[]
        {
            FieldType.String, FieldType.String.AsNullable(), FieldType.ArrayOf(FieldType.String.AsNullable()),
            FieldType.MapOf(FieldType.String, FieldType.ArrayOf(FieldType.Int32).AsNullable()), FieldType.IterableOf(FieldType.Int64.AsNullable()),
        }));
        var coder = _registry.Get<Nullabilities>();
        var back = coder.FromBytes(coder.ToBytes(new("a", null, ["x", null], new() { ["k"] = null, ["l"] = [1] }, [1, null])));
        Assert.That((back.A, back.B, back.C, back.E), Is.EqualTo(("a", (string?)null, new List<string?> { "x", null }, (IEnumerable<long?>)[1, null])));
        Assert.That(back.D, Is.EqualTo(new Dictionary<string, int[]?> { ["k"] = null, ["l"] = [1] }));
    }

    public sealed record Nullabilities(string A, string? B, List<string?> C, Dictionary<string, int[]?> D, IEnumerable<long?> E);

    [Test]
    public void A_registered_coder_is_used_within_other_types_as_well()
    {
        _registry.Get<Reading>();
        _registry.Register(new CelsiusCoder());
        Assert.That(_registry.Get<KV<string, Celsius>>().ToBytes(KV.Of("a", new Celsius(1))), Is.EqualTo(new byte[] { 1, (byte)'a', 0, 10 }));
        var coder = _registry.Get<Reading>();
        Assert.That(coder.ToBytes(new("x", new(2.5), null)), Is.EqualTo(new byte[] { 3, 1, 4, 1, (byte)'x', 2, 0, 25 }));
        Assert.That(coder.FromBytes(coder.ToBytes(new("x", new(2.5), new(-1)))), Is.EqualTo(new Reading("x", new(2.5), new(-1))));
    }

    [Test]
    public void An_open_generic_type_is_registered_once()
    {
        _registry.Register(typeof(Range<>), (type, registry) =>
            (Coder)Activator.CreateInstance(typeof(RangeCoder<>).MakeGenericType(type.GenericTypeArguments), registry.Get(type.GenericTypeArguments[0]))!);
        Assert.That(_registry.Get<Range<string>>(), Is.TypeOf<RangeCoder<string>>());
        Assert.That(_registry.Get<List<Range<int>>>().ToBytes([new(1, 2)]), Is.EqualTo(new byte[] { 0, 0, 0, 1, 1, 2 }));
    }

    private sealed class RangeCoder<T>(Coder<T> bound) : Coder<Range<T>>
    {
        public override void Encode(Range<T> value, CoderWriter writer, bool nested)
        {
            bound.Encode(value.From, writer, nested: true);
            bound.Encode(value.To, writer, nested);
        }

        public override Range<T> Decode(ref CoderReader reader, bool nested)
        {
            var from = bound.Decode(ref reader, nested: true);
            return new(from, bound.Decode(ref reader, nested));
        }
    }

    [TestCase(typeof(string), true)]
    [TestCase(typeof(KV<int, (string, DateTimeOffset)>), true)]
    [TestCase(typeof(Animal), true)]
    [TestCase(typeof(double), false)]
    [TestCase(typeof(KV<string, double>), false)]
    [TestCase(typeof(Dictionary<string, int>), false)]
    [TestCase(typeof(decimal), false)]
    [TestCase(typeof(Celsius), false)]
    public void Determinism_follows_from_the_parts(Type type, bool deterministic) =>
        Assert.That(_registry.Get(type).IsDeterministic, Is.EqualTo(deterministic));
}
