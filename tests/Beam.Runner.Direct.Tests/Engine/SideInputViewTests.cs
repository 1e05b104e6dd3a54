using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Tests.Engine;

public sealed class SideInputViewTests
{
    [Test]
    public void An_iterable_holds_the_elements_of_each_window()
    {
        var view = SideInputView.Create(AccessPattern.Iterable, Elements.WindowedPairs, [Elements.Chunk(
            Elements.WindowedPairs, new TestElement("a", "1", 0, (0, 10)), new TestElement("b", "2", 0, (0, 10), (10, 20)))]);
        Assert.That(Elements.ReadStrings(view.Elements(Elements.IntervalWindow(0, 10), 0).Data.Span), Is.EqualTo(new[] { "a", "1", "b", "2" }));
        Assert.That(Elements.ReadStrings(view.Elements(Elements.IntervalWindow(10, 20), 0).Data.Span), Is.EqualTo(new[] { "b", "2" }));
        Assert.That(view.Elements(Elements.IntervalWindow(20, 30), 0), Is.EqualTo(default(StatePage)), "a window without elements is empty");
    }

    [Test]
    public void A_large_iterable_comes_in_pages()
    {
        var words = Enumerable.Range(0, 5000).Select(i => $"{i} {new string('x', 1000)}").ToArray();
        var view = SideInputView.Create(AccessPattern.Iterable, Elements.Words, [Elements.WordChunk(words)]);
        Assert.That(ReadAll(position => view.Elements([], position), out var pages), Is.EqualTo(words));
        Assert.That(pages, Is.GreaterThan(4));
    }

    [Test]
    public void A_multimap_holds_the_values_of_each_key()
    {
        var view = Multimap(("a", "1"), ("b", "2"), ("a", "3"));
        Assert.That(Elements.ReadStrings(view.Values([], Elements.Prefixed("a"), 0).Data.Span), Is.EqualTo(new[] { "1", "3" }));
        Assert.That(view.Values([], Elements.Prefixed("z"), 0), Is.EqualTo(default(StatePage)));
        Assert.That(Elements.ReadStrings(view.Keys([], 0).Data.Span), Is.EqualTo(new[] { "a", "b" }));
        Assert.That(view.KeysValues([], 0).Data.ToArray(), Is.EqualTo((byte[])
            [.. Elements.Prefixed("a"), 0, 0, 0, 2, .. Elements.Prefixed("1"), .. Elements.Prefixed("3"), .. Elements.Prefixed("b"), 0, 0, 0, 1, .. Elements.Prefixed("2")]));
    }

    [Test]
    public void Many_values_of_a_key_and_many_keys_come_in_pages()
    {
        var values = Enumerable.Range(0, 3000).Select(i => $"{i} {new string('x', 1000)}").ToArray();
        var view = Multimap([.. values.Select(value => ("hot", value)), .. values.Select(value => (value, ""))]);
        Assert.That(ReadAll(position => view.Values([], Elements.Prefixed("hot"), position), out var pages), Is.EqualTo(values));
        Assert.That(pages, Is.GreaterThan(2));
        Assert.That(ReadAll(position => view.Keys([], position), out pages), Is.EqualTo(values.Prepend("hot")));
        Assert.That(pages, Is.GreaterThan(2));
    }

    [Test]
    public void Asking_in_the_wrong_way_is_an_error()
    {
        Assert.That(() => Multimap(("a", "1")).Elements([], 0), Throws.InvalidOperationException);
        Assert.That(() => Multimap(("a", "1")).Values([], Elements.Prefixed("a"), 99), Throws.InvalidOperationException);
    }

    private static SideInputView Multimap(params (string Key, string Value)[] pairs) =>
        SideInputView.Create(AccessPattern.Multimap, Elements.Pairs, [Elements.Chunk(Elements.Pairs, [.. pairs.Select(pair => new TestElement(pair.Key, pair.Value))])]);

    private static List<string> ReadAll(Func<int, StatePage> read, out int pages)
    {
        var (strings, position) = (new List<string>(), 0);
        for (pages = 1; ; pages++)
        {
            var page = read(position);
            strings.AddRange(Elements.ReadStrings(page.Data.Span));
            if (page.Next is not { } next) return strings;
            position = next;
        }
    }
}
