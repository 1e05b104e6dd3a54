using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Tests.Engine;

public sealed class ElementReaderTests
{
    [Test]
    public void Every_element_is_found_whatever_its_windows()
    {
        var chunk = Elements.Chunk(
            Elements.WindowedPairs,
            new TestElement("k", "v", 5, (0, 10)),
            new TestElement("", "", -5, (-10, 0), (-5, 5)),
            new TestElement("key", new string('x', 300), 7));
        Assert.That(ElementReader.Count(chunk.Data.Span, ElementFormat.KeyValue, WindowFormat.Interval), Is.EqualTo(3));
    }

    [Test]
    public void An_element_that_is_cut_off_anywhere_is_malformed()
    {
        var data = Elements.Chunk(Elements.WindowedPairs, new TestElement("key", "value", 5, (0, 1000))).Data;
        for (var length = 1; length < data.Length; length++)
        {
            var cut = data[..length];
            Assert.That(() => ElementReader.Count(cut.Span, ElementFormat.KeyValue, WindowFormat.Interval), Throws.TypeOf<InvalidDataException>(), $"{length} bytes");
        }
    }

    [Test]
    public void Random_bytes_never_lead_out_of_the_chunk()
    {
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            var data = new byte[random.Next(1, 60)];
            random.NextBytes(data);
            if (i % 2 == 0 && data.Length >= 12) data.AsSpan(8, 4).Clear(); // let some pass the windows
            foreach (var format in Enum.GetValues<ElementFormat>())
            {
                foreach (var windows in Enum.GetValues<WindowFormat>())
                {
                    try
                    {
                        ElementReader.Count(data, format, windows);
                    }
                    catch (InvalidDataException)
                    {
                    }
                }
            }
        }
    }
}
