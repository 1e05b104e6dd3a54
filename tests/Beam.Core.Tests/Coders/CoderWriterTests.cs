using Beam.Coders;
using PropertyAttribute = FsCheck.NUnit.PropertyAttribute;

namespace Beam.Core.Tests.Coders;

public class CoderWriterTests
{
    [Property]
    public void A_length_prefix_counts_what_was_written_after_it(ushort size)
    {
        using var writer = new CoderWriter(16);
        writer.WriteByte(42);
        var outer = writer.BeginLengthPrefix();
        var inner = writer.BeginLengthPrefix();
        writer.WriteBytes(new byte[size]);
        writer.EndLengthPrefix(inner);
        writer.WriteByte(7);
        writer.EndLengthPrefix(outer);

        var reader = new CoderReader(writer.WrittenSpan);
        Assert.That(reader.ReadByte(), Is.EqualTo(42));
        var outerLimit = reader.PushLimit(reader.ReadLength());
        Assert.That(reader.ReadLengthPrefixed().Length, Is.EqualTo(size));
        Assert.That(reader.ReadByte(), Is.EqualTo(7));
        reader.PopLimit(outerLimit);
        reader.ExpectEnd();
    }

    [Property]
    public void A_varint_takes_as_many_bytes_as_its_bits_need(long value)
    {
        using var writer = new CoderWriter();
        writer.WriteVarint(value);
        Assert.That(writer.Length, Is.EqualTo(CoderWriter.VarintLength((ulong)value)));
        Assert.That(writer.Length, Is.EqualTo(Google.Protobuf.CodedOutputStream.ComputeUInt64Size((ulong)value)));
    }

    [Test]
    public void Detached_bytes_outlive_what_is_written_next()
    {
        using var writer = new CoderWriter(16);
        writer.WriteBytes("0123456789abcdef"u8);
        var first = writer.DetachToByteString();
        writer.WriteBytes("fedcba9876543210"u8);
        Assert.That(first.ToStringUtf8(), Is.EqualTo("0123456789abcdef"));
        Assert.That(writer.ToByteString().ToStringUtf8(), Is.EqualTo("fedcba9876543210"));
    }

    [Test]
    public void An_element_that_failed_half_way_is_taken_back()
    {
        using var writer = new CoderWriter();
        writer.WriteByte(1);
        var length = writer.Length;
        writer.WriteByte(2);
        writer.Truncate(length);
        Assert.That(writer.ToArray(), Is.EqualTo(new byte[] { 1 }));
    }

    [Test]
    public void A_disposed_writer_is_not_used_again()
    {
        var writer = new CoderWriter();
        writer.Dispose();
        writer.Dispose();
        Assert.That(() => writer.WriteByte(1), Throws.InstanceOf<ObjectDisposedException>());
    }
}
