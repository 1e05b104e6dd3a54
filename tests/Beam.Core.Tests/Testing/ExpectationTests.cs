using Beam.Coders;
using Beam.Testing;
using NUnit.Framework;

namespace Beam.Core.Tests.Testing;

public sealed class ExpectationTests
{
    [Test]
    public void The_same_elements_in_any_order_hold()
    {
        Check<int>([1, 2, 2, 3], [2, 3, 1, 2]);
        Check<int>([], []);
        Check<KV<string, IEnumerable<int>>>([KV.Of("a", (IEnumerable<int>)[1, 2])], [KV.Of("a", (IEnumerable<int>)new List<int> { 2, 1 })]);
        Check<int[]>([[1, 2]], [[1, 2]]);
    }

    [Test]
    public void What_is_missing_and_what_is_too_much_is_said()
    {
        var error = Assert.Throws<PAssertException>(() => Check<string>(["a", "b", "b"], ["b", "c"]));
        Assert.That(error!.Message, Does.Contain("missing: [\"a\", \"b\"]").And.Contains("unexpected: [\"c\"]"));
    }

    [Test]
    public void Other_elements_do_not_hold()
    {
        Assert.Throws<PAssertException>(() => Check<int>([1], []));
        Assert.Throws<PAssertException>(() => Check<int>([], [1]));
        Assert.Throws<PAssertException>(() => Check<int>([1, 1], [1, 2]));
        Assert.Throws<PAssertException>(() => Check<int[]>([[1, 2]], [[2, 1]]));
        Assert.Throws<PAssertException>(() => Check<KV<string, IEnumerable<int>>>([KV.Of("a", (IEnumerable<int>)[1])], [KV.Of("a", (IEnumerable<int>)[1, 1])]));
    }

    private static void Check<T>(T[] expected, T[] actual)
    {
        var coder = new CoderRegistry().Get<T>();
        new ContainsInAnyOrder<T>([.. expected.Select(e => coder.ToBytes(e, nested: true))], coder).Check(actual);
    }
}
