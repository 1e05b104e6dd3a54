using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Engine.Fakes;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class WaitingRoomTests
{
    [Test]
    public async Task Sequences_are_counted_and_not_requests()
    {
        var room = new WaitingRoom(4, SchedulingPolicy.Fcfs);
        Assert.That(await room.EnterAsync(Request(3), default), Is.True);
        var two = room.EnterAsync(Request(2), default).AsTask();
        var one = room.EnterAsync(Request(1), default).AsTask();
        Assert.That((two.IsCompleted, one.IsCompleted), Is.EqualTo((false, false)), "who needs less does not overtake");
        room.Update(arrived: 3, waiting: 3);
        Assert.That(room.Outside, Is.EqualTo(2));
        room.Update(arrived: 0, waiting: 2);
        Assert.That(await two, Is.True);
        Assert.That(room.Outside, Is.EqualTo(1));
        room.Update(arrived: 2, waiting: 3);
        Assert.That(await one, Is.True);
    }

    [Test]
    public async Task A_request_of_more_than_the_bound_is_let_in_by_itself()
    {
        var room = new WaitingRoom(4, SchedulingPolicy.Fcfs);
        Assert.That(await room.EnterAsync(Request(1), default), Is.True);
        var large = room.EnterAsync(Request(10), default).AsTask();
        room.Update(arrived: 1, waiting: 1);
        Assert.That(large.IsCompleted, Is.False);
        room.Update(arrived: 0, waiting: 0);
        Assert.That(await large, Is.True);
    }

    [Test]
    public async Task What_goes_on_is_let_in_at_once_and_keeps_others_out()
    {
        var room = new WaitingRoom(2, SchedulingPolicy.Fcfs);
        Assert.That(await room.EnterAsync(Request(2), default), Is.True);
        var outside = room.EnterAsync(Request(1), default).AsTask();
        Assert.That(await room.EnterAsync(Request(2, goesOn: true), default), Is.True);
        room.Update(arrived: 2, waiting: 0);
        Assert.That(outside.IsCompleted, Is.False);
        room.Update(arrived: 2, waiting: 1);
        Assert.That(await outside, Is.True);
    }

    [Test]
    public async Task Priority_applies_to_those_outside()
    {
        var room = new WaitingRoom(1, SchedulingPolicy.Priority);
        Assert.That(await room.EnterAsync(Request(1), default), Is.True);
        var late = room.EnterAsync(Request(1, priority: 5), default).AsTask();
        var early = room.EnterAsync(Request(1, priority: -5), default).AsTask();
        room.Update(arrived: 1, waiting: 0);
        Assert.That(await early, Is.True);
        Assert.That(late.IsCompleted, Is.False);
        room.Close();
        Assert.That(await late, Is.True);
    }

    [Test]
    public async Task Whoever_gives_up_or_is_aborted_makes_way()
    {
        var room = new WaitingRoom(2, SchedulingPolicy.Fcfs);
        using var stop = new CancellationTokenSource();
        var (inside, aborted) = (Request(1), Request(2));
        Assert.That(await room.EnterAsync(inside, default), Is.True);
        var first = room.EnterAsync(aborted, default).AsTask();
        var second = room.EnterAsync(Request(2), stop.Token).AsTask();
        var third = room.EnterAsync(Request(1), default).AsTask();
        Assert.That((room.TryAbort(inside), room.TryAbort(aborted)), Is.EqualTo((false, true)));
        Assert.That(await first, Is.False);
        await stop.CancelAsync();
        Assert.That(async () => await second, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(await third, Is.True);
        Assert.That(await room.EnterAsync(aborted, default), Is.False);
    }

    [Test]
    public async Task A_request_that_is_aborted_before_it_was_let_in_ends_at_once()
    {
        var options = new EngineOptions { Model = "fake", SkipTokenizerInit = true, MaxNumSequences = 1, MaxWaitingRequests = 1 };
        await using var engine = new LlmEngine(options, new EngineParts(new PagedFakeRunner(70_000, maxModelLength: 1_000_000), null, EosTokens.From(null, []), new SamplingParams(), ""));
        using var stop = new CancellationTokenSource();
        var endless = new SamplingParams { MaxTokens = null };
        var running = engine.CompleteAsync(new[] { 1 }, endless, "running", cancellationToken: stop.Token);
        while (engine.Stats.RunningRequests == 0) await Task.Yield();
        var waiting = engine.CompleteAsync(new[] { 1 }, endless, "waiting", cancellationToken: stop.Token);
        while (engine.Stats.WaitingRequests == 0) await Task.Yield();
        var outside = engine.CompleteAsync(new[] { 1 }, endless, "outside", cancellationToken: stop.Token);
        engine.Abort("outside");
        var first = await Task.WhenAny(outside, running, waiting);
        Assert.That(first, Is.SameAs(outside));
        Assert.That(((await outside).FinishReason, engine.Stats.FinishedRequests), Is.EqualTo(("abort", 1L)));
        await stop.CancelAsync();
        Assert.That(async () => await running, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await waiting, Throws.InstanceOf<OperationCanceledException>());
    }

    private static RequestGroup Request(int sequences, int priority = 0, bool goesOn = false)
    {
        var parameters = new SamplingParams { N = sequences };
        return new RequestGroup("r", new OutputCollector("r", null, [1], parameters), new (Sequence, OutputState)?[sequences], priority) { GoesOn = goesOn };
    }
}
