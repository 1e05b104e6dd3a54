using Beam.Coders;
using Beam.Coders.Standard;
using Beam.Harness;
using NUnit.Framework;

namespace Beam.Core.Tests.Harness;

/// <summary>Parts of the harness that have rules of their own.</summary>
public sealed class PartsTests
{
    [Test]
    public void Values_are_decoded_wherever_pages_cut_them([Values(1, 2, 3, 7, 50, 1000)] int pageSize)
    {
        var words = Enumerable.Range(0, 40).Select(i => new string('x', i)).ToList();
        using var writer = new CoderWriter();
        foreach (var word in words) StringUtf8Coder.Instance.Encode(word, writer, nested: true);
        var pages = writer.ToArray().Chunk(pageSize).Select(p => new ReadOnlyMemory<byte>(p));
        Assert.That(PagedValues.Decode(pages, StringUtf8Coder.Instance, null), Is.EqualTo(words));
    }

    [Test]
    public void A_last_page_that_ends_within_a_value_fails() => Assert.That(
        () => PagedValues.Decode<string>([new byte[] { 1, (byte)'a', 5, (byte)'b' }], StringUtf8Coder.Instance, null).ToList(),
        Throws.InstanceOf<TruncatedValueException>());

    [Test]
    public void A_sequence_is_fetched_as_far_as_it_is_read_and_once()
    {
        var fetched = 0;
        string[]? completed = null;
        var sequence = new LazySequence<string>(Source(), all => completed = all);
        Assert.That(sequence.First(), Is.EqualTo("0"));
        Assert.That(fetched, Is.EqualTo(1));
        Assert.That(sequence.Take(2), Is.EqualTo(["0", "1"]));
        Assert.That(fetched, Is.EqualTo(2));
        Assert.That(sequence, Is.EqualTo(["0", "1", "2"]));
        Assert.That(sequence.ToArray(), Is.EqualTo(["0", "1", "2"]));
        Assert.That(completed, Is.EqualTo(["0", "1", "2"]));
        Assert.That(fetched, Is.EqualTo(3));

        IEnumerable<string> Source()
        {
            for (; fetched < 3;) yield return $"{fetched++}";
        }
    }

    [Test]
    public void A_sequence_that_failed_once_never_passes_for_a_short_one()
    {
        var sequence = new LazySequence<int>(Source());
        Assert.That(() => sequence.ToArray(), Throws.InstanceOf<TimeoutException>());
        Assert.That(() => sequence.ToArray(), Throws.InstanceOf<IOException>().With.InnerException.InstanceOf<TimeoutException>());

        static IEnumerable<int> Source()
        {
            yield return 1;
            throw new TimeoutException();
        }
    }

    [Test]
    public void The_cache_of_side_inputs_drops_what_was_used_longest_ago()
    {
        var cache = new SideInputCache(100);
        var token = Google.Protobuf.ByteString.CopyFromUtf8("token");
        for (var i = 0; i < 4; i++) cache.Put(token, Key(i), i, 25);
        Assert.That(cache.Get(token, Key(0)), Is.EqualTo(0));
        cache.Put(token, Key(4), 4, 25);
        Assert.That(cache.Get(token, Key(1)), Is.Null);
        Assert.That(cache.Get(token, Key(0)), Is.EqualTo(0));
        cache.Put(token, Key(5), 5, 26); // more than its share
        Assert.That(cache.Get(token, Key(5)), Is.Null);
        Assert.That(cache.Get(Key(0), Key(0)), Is.Null);

        static Google.Protobuf.ByteString Key(int i) => Google.Protobuf.ByteString.CopyFrom((byte)i);
    }

    [Test]
    public async Task A_full_queue_holds_up_its_stream_until_the_bundle_has_taken_half()
    {
        var queue = new InboundQueue(new InboundBudget(0));
        var item = new InboundItem("t", null, new byte[6 << 20], false);
        for (var i = 0; i < 4; i++) Assert.That(queue.AddAsync(in item).IsCompleted); // not begun: no bound
        queue.Start();
        var adding = queue.AddAsync(in item).AsTask();
        for (var left = 5; left > 1; left--)
        {
            Assert.That(adding.IsCompleted, Is.False);
            queue.Take();
            if (left == 2) break;
        }

        await adding;
        queue.Close(new TimeoutException());
        Assert.That(() => queue.Take(), Throws.InstanceOf<TimeoutException>());
        Assert.That(queue.AddAsync(in item).IsCompleted); // nobody wants it any more
    }

    [Test]
    public async Task Shared_objects_are_disposed_youngest_first_and_every_failure_is_told()
    {
        var disposed = new List<string>();
        var shared = new SharedObjects();
        var first = shared.Get("first", () => new Resource(() => disposed.Add("first")));
        shared.Get("second", () => new Resource(() => throw new TimeoutException()));
        shared.Get("third", () => new Resource(() => disposed.Add("third")));
        Assert.That(shared.Get<Resource>("first", () => throw new InvalidOperationException()), Is.SameAs(first));
        Assert.That(() => shared.Get("first", () => "text"), Throws.InvalidOperationException.With.Message.Contains("use another key"));
        Assert.That(async () => await shared.DisposeAsync(), Throws.InstanceOf<AggregateException>());
        Assert.That(disposed, Is.EqualTo(["third", "first"]));
        await shared.DisposeAsync();
    }

    private sealed class Resource(Action dispose) : IDisposable
    {
        public void Dispose() => dispose();
    }
}
