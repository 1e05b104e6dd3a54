using System.Buffers;
using System.IO.Pipelines;
using Beam.Rpc.Protocol;
using FsCheck;
using FsCheck.Fluent;
using Grpc.Core;

namespace Beam.Rpc.Tests;

/// <summary>The pieces of the wire format, for any input.</summary>
internal sealed class ProtocolTests
{
    private static readonly Marshaller<byte[]> Bytes = Marshallers.Create(b => b, b => b);

    [FsCheck.NUnit.Property]
    public bool A_percent_encoded_message_is_printable_and_decodes_to_itself(string? text)
    {
        // Lone surrogates have no UTF-8.
        string message = System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text ?? ""));
        string encoded = PercentEncoding.Encode(message);
        return encoded.All(c => c is >= ' ' and <= '~') && PercentEncoding.Decode(encoded) == message;
    }

    [FsCheck.NUnit.Property]
    public bool A_timeout_survives_within_its_unit(uint milliseconds)
    {
        var timeout = TimeSpan.FromMilliseconds(milliseconds + 1.0);
        string text = GrpcTimeout.Encode(timeout);
        return text.Length <= 9 && GrpcTimeout.TryDecode(text, out var decoded) && decoded <= timeout && (timeout - decoded).TotalSeconds <= 1;
    }

    [TestCase("5H", 5 * 3600_000.0)]
    [TestCase("5M", 5 * 60_000.0)]
    [TestCase("5S", 5_000.0)]
    [TestCase("5m", 5.0)]
    [TestCase("5u", 0.005)]
    [TestCase("500n", 0.0005)]
    public void A_timeout_of_each_unit_is_read(string text, double milliseconds)
    {
        Assert.That(GrpcTimeout.TryDecode(text, out var timeout), Is.True);
        Assert.That(timeout.TotalMilliseconds, Is.EqualTo(milliseconds));
    }

    [FsCheck.NUnit.Property]
    public Property Framed_messages_are_read_back_however_the_bytes_are_cut() =>
        Prop.ForAll(ArbMap.Default.ArbFor<byte[][]>(), ArbMap.Default.ArbFor<bool>(), ArbMap.Default.ArbFor<PositiveInt>(), (messages, gzip, cut) =>
        {
            messages = [.. messages.Select(m => m ?? [])];
            var framer = new MessageFramer(null);
            var wire = new ArrayBufferWriter<byte>();
            foreach (byte[] message in messages)
            {
                wire.Write(framer.Frame(message, Bytes, gzip).Span);
                framer.Release();
            }
            var read = ReadAllAsync(wire.WrittenMemory, cut.Get % 16 + 1).GetAwaiter().GetResult();
            return read.Count == messages.Length && read.Zip(messages).All(p => p.First.AsSpan().SequenceEqual(p.Second));
        });

    [TestCase("Grün", "x")]
    [TestCase("a b", "x")]
    [TestCase("", "x")]
    [TestCase("key", "line\nbreak")]
    [TestCase("key-bin", "text")]
    public void Metadata_that_cannot_travel_is_refused(string key, string value) =>
        Assert.That(() => new Metadata { { key, value } }, Throws.InstanceOf<ArgumentException>());

    private static async Task<List<byte[]>> ReadAllAsync(ReadOnlyMemory<byte> wire, int cut)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var reader = new MessageReader(pipe.Reader, null, "gzip");
        var messages = new List<byte[]>();
        var reading = Task.Run(async () =>
        {
            while (await reader.ReadAsync(Bytes, default) is { HasMessage: true } next) messages.Add(next.Message);
        });
        for (; wire.Length > 0; wire = wire[Math.Min(cut, wire.Length)..]) await pipe.Writer.WriteAsync(wire[..Math.Min(cut, wire.Length)]);
        await pipe.Writer.CompleteAsync();
        await reading;
        return messages;
    }
}
