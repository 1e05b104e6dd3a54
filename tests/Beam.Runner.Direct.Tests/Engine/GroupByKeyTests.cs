using Beam.Runner.Direct.Engine;

namespace Beam.Runner.Direct.Tests.Engine;

public sealed class GroupByKeyTests
{
    [Test]
    public void Values_are_grouped_by_key_in_the_order_in_which_they_came()
    {
        var groups = Group(Elements.Pairs, GroupTimestamp.EndOfWindow, false, new("a", "1"), new("b", "2"), new("a", "3"), new("", "4"), new("a", ""));
        Assert.That(Show(groups), Is.EquivalentTo(new[] { "a: 1 3 ", "b: 2", ": 4" }));
        Assert.That(groups.Select(group => group.Timestamp), Is.All.EqualTo(9223371950454775), "the end of the global window");
    }

    [Test]
    public void The_same_key_in_two_windows_is_two_groups_and_an_element_in_two_windows_is_in_both()
    {
        var groups = Group(
            Elements.WindowedPairs, GroupTimestamp.EndOfWindow, false,
            new("a", "1", 3, (0, 10)), new("a", "2", 12, (10, 20)), new("a", "3", 9, (0, 10), (10, 20)));
        Assert.That(Show(groups), Is.EquivalentTo(new[] { "a: 1 3 [0,10)", "a: 2 3 [10,20)" }));
        Assert.That(groups.Select(group => group.Timestamp), Is.EqualTo(new[] { 9, 19 }));
    }

    [TestCase(GroupTimestamp.Earliest, 3)]
    [TestCase(GroupTimestamp.Latest, 8)]
    [TestCase(GroupTimestamp.EndOfWindow, 9)]
    public void The_timestamp_of_a_group_is_what_the_combiner_says(object combiner, long expected)
    {
        var groups = Group(
            Elements.WindowedPairs, (GroupTimestamp)combiner, false, new("a", "1", 5, (0, 10)), new("a", "2", 3, (0, 10)), new("a", "3", 8, (0, 10)));
        Assert.That(groups.Single().Timestamp, Is.EqualTo(expected));
    }

    [Test]
    public void Sessions_that_overlap_become_one_and_sessions_that_touch_stay_two()
    {
        var groups = Group(
            Elements.WindowedPairs, GroupTimestamp.EndOfWindow, true,
            new("a", "late", 30, (30, 40)), new("a", "1", 0, (0, 10)), new("b", "x", 5, (5, 15)), new("a", "2", 8, (8, 18)), new("a", "touching", 18, (18, 28)));
        Assert.That(Show(groups), Is.EquivalentTo(new[] { "a: 1 2 [0,18)", "a: touching [18,28)", "a: late [30,40)", "b: x [5,15)" }));
        Assert.That(groups.Single(group => group.Value == "1 2").Timestamp, Is.EqualTo(17));
    }

    [TestCase(GroupTimestamp.Earliest, 1)]
    [TestCase(GroupTimestamp.Latest, 14)]
    public void The_timestamp_of_a_session_is_what_the_combiner_says(object combiner, long expected)
    {
        var groups = Group(
            Elements.WindowedPairs, (GroupTimestamp)combiner, true, new("a", "2", 14, (14, 24)), new("a", "1", 1, (1, 11)), new("a", "3", 7, (7, 17)));
        Assert.That(groups.Single().Timestamp, Is.EqualTo(expected));
        Assert.That(groups.Single().Windows, Is.EqualTo(new[] { (1L, 24L) }));
    }

    [FsCheck.NUnit.Property(MaxTest = 50)]
    public void Grouping_is_what_a_lookup_is(List<(byte Key, byte Value)> pairs)
    {
        var elements = pairs.Select(pair => new TestElement($"k{pair.Key % 7}", $"{pair.Value}")).ToArray();
        // In several chunks, so that groups span them.
        var chunks = elements.Chunk(3).Select(part => Elements.Chunk(Elements.Pairs, part));
        var groups = Elements.ReadGroups(GroupByKey.Run(Stage(Elements.Pairs, GroupTimestamp.EndOfWindow, false), chunks, CancellationToken.None), WindowFormat.Global);
        Assert.That(
            groups.ToDictionary(group => group.Key, group => group.Value),
            Is.EquivalentTo(elements.ToLookup(element => element.Key, element => element.Value).ToDictionary(group => group.Key, TestElement.Join)));
    }

    [Test]
    public void Many_keys_and_a_key_with_more_values_than_a_chunk_holds_survive()
    {
        var value = new string('v', 1000);
        var elements = Enumerable.Range(0, 20_000).Select(i => i % 10 == 0 ? new TestElement("hot", value) : new TestElement($"key {i}", $"{i}")).ToArray();
        var output = GroupByKey.Run(Stage(Elements.Pairs, GroupTimestamp.EndOfWindow, false), [Elements.Chunk(Elements.Pairs, elements)], CancellationToken.None);
        var groups = Elements.ReadGroups(output, WindowFormat.Global).ToDictionary(group => group.Key, group => group.Value);
        Assert.That(groups, Has.Count.EqualTo(18_001));
        Assert.That(groups["hot"].Split(' '), Has.Length.EqualTo(2000).And.All.EqualTo(value));
        Assert.That(groups["key 19999"], Is.EqualTo("19999"));
    }

    private static List<TestElement> Group(Dataset input, GroupTimestamp timestamps, bool merges, params TestElement[] elements) =>
        Elements.ReadGroups(GroupByKey.Run(Stage(input, timestamps, merges), [Elements.Chunk(input, elements)], CancellationToken.None), input.Windows);

    private static GroupByKeyStage Stage(Dataset input, GroupTimestamp timestamps, bool merges) =>
        new(0, "group", input, input with { Elements = ElementFormat.KeyIterable }, timestamps, merges);

    private static IEnumerable<string> Show(IEnumerable<TestElement> groups) =>
        groups.Select(group => $"{group.Key}: {group.Value}" + string.Concat(group.Windows.Select(window => $" [{window.Start},{window.End})")));
}
