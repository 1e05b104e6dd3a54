using Beam.Coders;
using Beam.Model.Pipeline;
using Google.Protobuf.Collections;

namespace Beam.Core.Tests.Coders;

internal static class CoderTester
{
    /// <summary>The coder of a type as a worker has it: inferred, translated to protos, and read back for the same type.</summary>
    public static Coder<T> OverProto<T>(CoderRegistry? registry = null)
    {
        var coders = new MapField<string, Model.Pipeline.Coder>();
        var id = new CoderTranslator(coders, null).ToProto((registry ?? new()).Get<T>());
        return (Coder<T>)new CoderTranslator(coders, null).FromProto(id, typeof(T));
    }

    /// <summary>Encodes with the inferred coder and decodes with the one of a worker, in both contexts.</summary>
    public static void AssertRoundTrips<T>(T value)
    {
        var coder = new CoderRegistry().Get<T>();
        var worker = OverProto<T>();
        Assert.That(worker.FromBytes(coder.ToBytes(value)), Is.EqualTo(value), $"{coder} {Convert.ToHexString(coder.ToBytes(value))}");

        using var writer = new CoderWriter();
        coder.Encode(value, writer, nested: true);
        coder.Encode(value, writer, nested: true);
        var reader = new CoderReader(writer.WrittenSpan);
        Assert.That(worker.Decode(ref reader, nested: true), Is.EqualTo(value));
        Assert.That(worker.Decode(ref reader, nested: true), Is.EqualTo(value));
        reader.ExpectEnd();
    }
}
