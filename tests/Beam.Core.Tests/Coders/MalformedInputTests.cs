using Beam.Coders;
using Beam.Coders.Windows;
using PropertyAttribute = FsCheck.NUnit.PropertyAttribute;

namespace Beam.Core.Tests.Coders;

/// <summary>Bytes from outside cause a CoderException, and nothing worse.</summary>
public class MalformedInputTests
{
    private static readonly CoderRegistry Registry = new();

    private static readonly Coder[] Victims =
    [
        Registry.Get<string>(), Registry.Get<long>(), Registry.Get<int>(), Registry.Get<bool>(), Registry.Get<float>(), Registry.Get<decimal>(),
        Registry.Get<Guid>(), Registry.Get<DateTimeOffset>(), Registry.Get<DateTime>(), Registry.Get<DateOnly>(), Registry.Get<TimeOnly>(),
        Registry.Get<TimeSpan>(), Registry.Get<Uri>(), Registry.Get<int?>(), Registry.Get<byte[]>(), Registry.Get<List<string>>(),
        Registry.Get<int[][]>(), Registry.Get<HashSet<int>>(), Registry.Get<Dictionary<string, int>>(), Registry.Get<(int, string, double)>(),
        Registry.Get<KV<string, List<long>>>(), Registry.Get<RoundTripTests.Person>(), Registry.Get<RoundTripTests.Everything>(),
        Registry.Get<ShardedKey<string>>(), Registry.Get<List<GlobalWindow>>(), Registry.Get<IntervalWindow>(),
        new WindowedValueCoder<string>(Registry.Get<string>(), IntervalWindowCoder.Instance),
        new WindowedValueCoder<KV<string, long>>(Registry.Get<KV<string, long>>(), GlobalWindowCoder.Instance),
        new TimerCoder<string>(Registry.Get<string>(), GlobalWindowCoder.Instance),
        new Beam.Coders.Collections.StateBackedIterableCoder<string>(Registry.Get<string>()),
        new Beam.Coders.Standard.LengthPrefixCoder<List<string>>(Registry.Get<List<string>>()),
    ];

    [Property(MaxTest = 500)]
    public void Random_bytes(byte[] bytes)
    {
        foreach (var coder in Victims) AssertHarmless(coder, bytes);
    }

    [Property(MaxTest = 300)]
    public void Valid_bytes_that_were_cut_or_changed(string? text, int number, ushort where, byte with)
    {
        var person = new RoundTripTests.Person("n", 1, new("s", number, null), null, ["a", "b"], new() { ["x"] = number }, RoundTripTests.Color.Red);
        var coder = Registry.Get<RoundTripTests.Person>();
        var bytes = coder.ToBytes(person);
        AssertHarmless(coder, bytes[..(where % bytes.Length)]);
        bytes[where % bytes.Length] = with;
        AssertHarmless(coder, bytes);
    }

    [Test]
    public void A_count_that_lies_is_refused_before_memory_is_reserved()
    {
        byte[] twoBillion = [0x7F, 0xFF, 0xFF, 0xFF, 1, 2, 3];
        foreach (var coder in new Coder[] { Registry.Get<List<long>>(), Registry.Get<byte[][]>(), Registry.Get<Dictionary<int, int>>(), Registry.Get<List<GlobalWindow>>() })
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            Assert.That(() => Decode(coder, twoBillion), Throws.InstanceOf<TruncatedValueException>());
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(100_000));
        }
    }

    [Test]
    public void Elements_without_bytes_do_not_multiply()
    {
        // 200 lists of a million windows, in four bytes each.
        byte[] bytes = [0, 0, 0, 200, .. Enumerable.Repeat<byte[]>([0, 0x0F, 0, 0], 200).SelectMany(b => b)];
        Assert.That(() => Decode(Registry.Get<List<List<GlobalWindow>>>(), bytes), Throws.InstanceOf<CoderException>());
    }

    [Test]
    public void A_length_prefix_bounds_what_is_inside()
    {
        var coder = new Beam.Coders.Standard.LengthPrefixCoder<KV<string, string>>(Registry.Get<KV<string, string>>());
        Assert.That(() => coder.FromBytes([2, 5, (byte)'a', (byte)'b', (byte)'c', (byte)'d', (byte)'e']), Throws.InstanceOf<TruncatedValueException>());
        Assert.That(() => Registry.Get<long>().FromBytes([1, 2]), Throws.InstanceOf<CoderException>().With.Message.Contains("left over"));
    }

    [Test]
    public void A_varint_of_more_than_64_bits_is_refused()
    {
        Assert.That(() => Registry.Get<long>().FromBytes([.. Enumerable.Repeat((byte)0xFF, 9), 2]), Throws.InstanceOf<CoderException>());
        Assert.That(Registry.Get<long>().FromBytes([.. Enumerable.Repeat((byte)0xFF, 9), 1]), Is.EqualTo(-1));
        Assert.That(() => Registry.Get<byte>().FromBytes([0xFF, 0x02]), Throws.InstanceOf<CoderException>().With.Message.Contains("383"));
    }

    [Test]
    public void Half_a_surrogate_pair_is_not_quietly_changed() =>
        Assert.That(() => Registry.Get<string>().ToBytes("a\uD800b"), Throws.InstanceOf<CoderException>().With.Message.Contains("surrogate"));

    [Test]
    public void Text_that_is_not_UTF8_is_refused() =>
        Assert.That(() => Registry.Get<string>().FromBytes([0xC3, 0x28]), Throws.InstanceOf<CoderException>());

    private static void Decode(Coder coder, byte[] bytes)
    {
        var reader = new CoderReader(bytes);
        coder.DecodeObject(ref reader, nested: true);
    }

    private static void AssertHarmless(Coder coder, byte[] bytes)
    {
        foreach (var nested in new[] { false, true })
        {
            try
            {
                var reader = new CoderReader(bytes);
                coder.DecodeObject(ref reader, nested);
            }
            catch (CoderException)
            {
            }
        }
    }
}
