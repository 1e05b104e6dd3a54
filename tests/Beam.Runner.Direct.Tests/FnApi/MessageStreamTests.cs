using Beam.FnApi;

namespace Beam.Runner.Direct.Tests.FnApi;

public sealed class MessageStreamTests
{
    [Test]
    public async Task What_one_end_writes_the_other_reads_in_order_both_ways()
    {
        var (left, right) = MessageStream.CreatePair<int, string>();
        await left.WriteAsync("a");
        await left.WriteAsync("b");
        await left.CompleteAsync();
        await right.WriteAsync(1);
        await right.CompleteAsync();

        Assert.That(await ReadAsync(right), Is.EqualTo(new[] { "a", "b" }));
        Assert.That(await ReadAsync(left), Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public async Task An_error_arrives_after_the_last_message()
    {
        var (left, right) = MessageStream.CreatePair<int, int>();
        await left.WriteAsync(1);
        await left.CompleteAsync(new InvalidDataException("broken"));

        var read = new List<int>();
        Assert.That(async () => { await foreach (var item in right.ReadAllAsync()) read.Add(item); }, Throws.TypeOf<InvalidDataException>());
        Assert.That(read, Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public async Task A_writer_waits_for_the_reader_when_the_stream_is_full()
    {
        var (left, right) = MessageStream.CreatePair<int, int>(capacity: 2);
        await left.WriteAsync(1);
        await left.WriteAsync(2);
        var third = left.WriteAsync(3).AsTask();
        Assert.That(third.IsCompleted, Is.False);
        await left.CompleteAsync();

        await using var reader = right.ReadAllAsync().GetAsyncEnumerator();
        Assert.That(await reader.MoveNextAsync(), Is.True);
        Assert.That(reader.Current, Is.EqualTo(1));
    }

    [Test]
    public async Task A_writer_whose_reader_is_gone_is_told()
    {
        var (left, right) = MessageStream.CreatePair<int, int>(capacity: 1);
        await left.WriteAsync(1);
        var waiting = left.WriteAsync(2).AsTask();
        await right.DisposeAsync();

        Assert.That(async () => await waiting, Throws.InstanceOf<IOException>());
        Assert.That(async () => await left.WriteAsync(3), Throws.InstanceOf<IOException>());
    }

    private static async Task<List<T>> ReadAsync<T>(IMessageStream<T, string> stream) => await stream.ReadAllAsync().ToListAsync();

    private static async Task<List<T>> ReadAsync<T>(IMessageStream<T, int> stream) => await stream.ReadAllAsync().ToListAsync();
}
