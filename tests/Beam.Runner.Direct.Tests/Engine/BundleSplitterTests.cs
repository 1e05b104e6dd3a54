using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Tests.Engine;

public sealed class BundleSplitterTests
{
    private const long NoLimit = long.MaxValue;

    [Test]
    public void Nothing_makes_no_bundles() => Assert.That(BundleSplitter.Split(Elements.Words, [], 4, NoLimit), Is.Empty);

    [Test]
    public void Fewer_elements_than_bundles_make_a_bundle_each() =>
        Assert.That(Split([["a", "b"], ["c"]], 8, NoLimit), Is.EqualTo(new[] { "a", "b", "c" }));

    [Test]
    public void Bundles_keep_the_order_and_differ_by_one_element_at_most() =>
        Assert.That(Split([["a", "b", "c", "d", "e"], ["f"], ["g", "h", "i", "j"]], 4, NoLimit), Is.EqualTo(new[] { "a b", "c d e", "f g", "h i j" }));

    [Test]
    public void A_bundle_holds_no_more_bytes_than_it_may_unless_one_element_does()
    {
        var large = new string('x', 500);
        Assert.That(Split([["a", "b", large, "c", "d", "e"]], 1, 100), Is.EqualTo(new[] { "a b", large, "c d e" }));
    }

    [FsCheck.NUnit.Property(MaxTest = 200)]
    public void No_element_is_lost_doubled_or_moved(byte chunks, byte perChunk, byte bundles, byte limit)
    {
        var words = Enumerable.Range(0, chunks % 9).Select(c => Enumerable.Range(0, (perChunk % 11) + 1).Select(i => $"{c}.{i}").ToArray()).ToArray();
        var result = Split(words, (bundles % 13) + 1, 20 + limit);
        Assert.That(string.Join(' ', result), Is.EqualTo(string.Join(' ', words.SelectMany(word => word))));
    }

    [FsCheck.NUnit.Property(MaxTest = 200)]
    public void As_many_bundles_are_made_as_are_wanted(byte elements, byte bundles)
    {
        var result = Split([[.. Enumerable.Range(0, elements + 1).Select(i => $"{i}")]], (bundles % 40) + 1, NoLimit);
        Assert.That(result, Has.Count.EqualTo(Math.Min(elements + 1, (bundles % 40) + 1)));
        var sizes = result.Select(bundle => bundle.Split(' ').Length).ToList();
        Assert.That(sizes.Max() - sizes.Min(), Is.LessThanOrEqualTo(1));
    }

    private static List<string> Split(string[][] chunks, int desired, long maxBytes) =>
    [
        .. BundleSplitter.Split(Elements.Words, [.. chunks.Select(words => Elements.WordChunk(words))], desired, maxBytes)
            .Select(bundle => string.Join(' ', bundle.SelectMany(Elements.ReadWords))),
    ];
}
