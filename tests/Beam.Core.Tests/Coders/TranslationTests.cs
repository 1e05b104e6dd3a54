using Beam.Coders;
using Beam.Model;
using Beam.Model.Pipeline;
using Beam.Schemas;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Coder = Beam.Coders.Coder;
using Field = Beam.Schemas.Field;
using FieldType = Beam.Schemas.FieldType;
using Row = Beam.Schemas.Row;
using Schema = Beam.Schemas.Schema;

namespace Beam.Core.Tests.Coders;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public class TranslationTests
{
    private readonly MapField<string, Model.Pipeline.Coder> _coders = [];
    private readonly CoderRegistry _registry = new();

    public sealed record Person(string Name, int Age, string? Email);

    public sealed record Contact
    {
        public string? Email { get; init; }

        public long Age { get; init; }

        public required string NAME { get; init; }

        public string Source { get; init; } = "unknown";
    }

    public sealed record Loose
    {
        public string? Email { get; init; }

        public int Age { get; init; }

        public required string NAME { get; init; }

        public string? Source { get; init; } = "unknown";
    }

    [Test]
    public void Equal_coders_share_an_id()
    {
        var translator = new CoderTranslator(_coders, null);
        var first = translator.ToProto(_registry.Get<KV<string, Person>>());
        Assert.That(translator.ToProto(new CoderRegistry().Get<KV<string, Person>>()), Is.EqualTo(first));
        Assert.That(new CoderTranslator(_coders, null).ToProto(new CoderRegistry().Get<KV<string, Person>>()), Is.EqualTo(first));
        Assert.That(_coders.Keys, Is.EquivalentTo(new[] { "coder_0", "coder_1", "coder_2" }));
        Assert.That(_coders[first].Spec.Urn, Is.EqualTo(BeamUrns.Coders.Kv));
        Assert.That(_coders[first].ComponentCoderIds.Select(id => _coders[id].Spec.Urn), Is.EqualTo(new[] { BeamUrns.Coders.StringUtf8, BeamUrns.Coders.Row }));
    }

    [Test]
    public void The_id_of_a_schema_follows_from_its_content()
    {
        string Id(params Field[] fields) => SchemaTranslator.ToProto(new Schema(fields), null).Id;
        var id = Id(new Field("a", FieldType.Int64));
        Assert.That(Guid.TryParse(id, out _), Is.True);
        Assert.That(Id(new Field("a", FieldType.Int64)), Is.EqualTo(id));
        Assert.That(Id(new Field("a", FieldType.Int64.AsNullable())), Is.Not.EqualTo(id));
        Assert.That(Id(new Field("b", FieldType.Int64)), Is.Not.EqualTo(id));
    }

    [Test]
    public void Without_a_hint_values_have_their_natural_types()
    {
        Assert.That(Natural<int>(), Is.EqualTo(typeof(long)));
        Assert.That(Natural<KV<string, float>>(), Is.EqualTo(typeof(KV<string, double>)));
        Assert.That(Natural<List<byte>>(), Is.EqualTo(typeof(IEnumerable<long>)));
        Assert.That(Natural<Dictionary<string, int?>>(), Is.EqualTo(typeof(IEnumerable<KV<string, long?>>)));
        Assert.That(Natural<(int, string, bool)>(), Is.EqualTo(typeof((long, string, bool))));
        Assert.That(Natural<Guid>(), Is.EqualTo(typeof(Guid)));
        Assert.That(Natural<Person>(), Is.EqualTo(typeof(Row)));
        Type Natural<T>() => Resolve(_registry.Get<T>(), null).Type;
    }

    [Test]
    public void A_row_is_read_as_a_Row_or_as_a_record_that_has_its_fields()
    {
        var person = new Person("Ada", 36, null);
        var bytes = _registry.Get<Person>().ToBytes(person);
        var row = ((Coder<Row>)Resolve(_registry.Get<Person>(), null)).FromBytes(bytes);
        Assert.That((row["Name"], row["Age"], row["Email"]), Is.EqualTo(("Ada", 36, (object?)null)));
        Assert.That(((Coder<Person>)Resolve(row.Schema.CreateCoder(), typeof(Person))).FromBytes(bytes), Is.EqualTo(person));
        Assert.That(((Coder<Loose>)Resolve(row.Schema.CreateCoder(), typeof(Loose))).FromBytes(bytes),
            Is.EqualTo(new Loose { NAME = "Ada", Age = 36 }));
        Assert.That(row.Schema.CreateCoder().ToBytes(row), Is.EqualTo(bytes));
    }

    [Test]
    public void A_record_that_needs_what_the_row_has_not_is_refused() =>
        Assert.That(() => Resolve(_registry.Get<Person>(), typeof(Contact)), Throws.InstanceOf<CoderNotFoundException>());

    [Test]
    public void A_row_of_an_older_version_lacks_its_last_fields()
    {
        var older = new Schema(new Field("Name", FieldType.String), new Field("Age", FieldType.Int32));
        var bytes = older.CreateCoder().ToBytes(new Row(older, "Ada", 36));
        Assert.That(_registry.Get<Person>().FromBytes(bytes), Is.EqualTo(new Person("Ada", 36, null)));
    }

    [Test]
    public void A_hint_that_does_not_fit_is_refused()
    {
        Assert.That(() => Resolve(_registry.Get<int>(), typeof(string)), Throws.InstanceOf<CoderNotFoundException>().With.Message.Contains("String"));
        Assert.That(() => Resolve(_registry.Get<Person>(), typeof(int)), Throws.InstanceOf<CoderNotFoundException>());
        Assert.That(() => Resolve(_registry.Get<int?>(), typeof(int)), Throws.InstanceOf<CoderNotFoundException>());
    }

    [Test]
    public void Protos_that_are_damaged_are_refused()
    {
        _coders.Add("loop", Proto(BeamUrns.Coders.Nullable, "loop"));
        _coders.Add("alien", Proto("beam:coder:alien:v1"));
        _coders.Add("row", new() { Spec = new() { Urn = BeamUrns.Coders.Row, Payload = ByteString.CopyFrom(255, 255) } });
        _coders.Add("kv", Proto(BeamUrns.Coders.Kv, "alien"));
        foreach (var id in new[] { "loop", "alien", "row", "kv", "missing" })
            Assert.That(() => new CoderTranslator(_coders, null).FromProto(id, null), Throws.InstanceOf<CoderNotFoundException>().With.Message.Contains(id), id);
    }

    [Test]
    public void An_unknown_logical_type_is_what_represents_it()
    {
        var schema = new Schema(new Field("x", new LogicalFieldType("beam:logical_type:alien:v1", FieldType.Int32)));
        Assert.That(schema.CreateCoder().FromBytes([1, 0, 7])["x"], Is.EqualTo(7));
    }

    [Test]
    public void A_schema_that_was_read_is_written_as_it_was()
    {
        var proto = SchemaTranslator.ToProto(new Schema(new Field("a", FieldType.ArrayOf(FieldType.Int16.AsNullable()))), null);
        proto.Options.Add(new Option { Name = "note", Type = new() { AtomicType = Model.Pipeline.AtomicType.String } });
        Assert.That(SchemaTranslator.ToProto(SchemaTranslator.FromProto(proto, null), null), Is.EqualTo(proto));
    }

    [Test]
    public void A_coder_of_the_users_own_travels_by_the_serializer_also_within_rows()
    {
        var serializer = new ByName();
        _registry.Register(new SwapCoder());
        var translator = new CoderTranslator(_coders, serializer);
        var id = translator.ToProto(_registry.Get<KV<Swap, Holder>>());
        var coder = (Coder<KV<Swap, Holder>>)new CoderTranslator(_coders, serializer).FromProto(id, typeof(KV<Swap, Holder>));
        var value = KV.Of(new Swap(1, 2), new Holder(new Swap(3, 4), null));
        Assert.That(coder.FromBytes(_registry.Get<KV<Swap, Holder>>().ToBytes(value)), Is.EqualTo(value));
        Assert.That(() => new CoderTranslator([], null).ToProto(new SwapCoder()), Throws.InvalidOperationException.With.Message.Contains("SwapCoder"));
    }

    public sealed record Swap(byte A, byte B);

    public sealed record Holder(Swap One, Swap? Two);

    private sealed class SwapCoder : Coder<Swap>
    {
        public override void Encode(Swap value, CoderWriter writer, bool nested) => writer.WriteBytes([value.B, value.A]);

        public override Swap Decode(ref CoderReader reader, bool nested)
        {
            var b = reader.ReadByte();
            return new(reader.ReadByte(), b);
        }
    }

    private sealed class ByName : ICoderPayloadSerializer
    {
        public byte[] Serialize(Coder coder) => System.Text.Encoding.UTF8.GetBytes(coder.GetType().AssemblyQualifiedName!);

        public Coder Deserialize(byte[] payload) => (Coder)Activator.CreateInstance(Type.GetType(System.Text.Encoding.UTF8.GetString(payload))!)!;
    }

    private Coder Resolve(Coder coder, Type? hint) =>
        new CoderTranslator(_coders, null).FromProto(new CoderTranslator(_coders, null).ToProto(coder), hint);

    private static Model.Pipeline.Coder Proto(string urn, params string[] components)
    {
        var proto = new Model.Pipeline.Coder { Spec = new() { Urn = urn } };
        proto.ComponentCoderIds.Add(components);
        return proto;
    }
}
