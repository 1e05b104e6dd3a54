using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class SchedulerTests
{
    private const int BlockSize = 16;

    [Test]
    public void Decodes_come_first_and_a_prompt_is_cut_to_the_rest_of_the_budget()
    {
        var (scheduler, _) = Make(blocks: 64, maxTokens: 20);
        var first = Add(scheduler, 10);
        Take(scheduler);
        first.Append(1);
        var second = Add(scheduler, 50, value: 2);
        var step = scheduler.Schedule();
        Assert.That(step.Scheduled, Is.EqualTo(new[] { new ScheduledTokens(first, 10, 1, true), new ScheduledTokens(second, 0, 19, false) }));
    }

    [Test]
    public void When_blocks_run_out_the_last_to_arrive_starts_over_and_comes_back_first()
    {
        var (scheduler, blocks) = Make(blocks: 4, maxTokens: 64);
        var first = Add(scheduler, 32);
        var second = Add(scheduler, 32, value: 2);
        var third = Add(scheduler, 5, value: 3);
        Take(scheduler);
        Assert.That(scheduler.Running, Is.EqualTo(new[] { first, second }));
        first.Append(1);
        second.Append(1);
        Take(scheduler);
        Assert.Multiple(() =>
        {
            Assert.That(scheduler.Running, Is.EqualTo(new[] { first }));
            Assert.That(scheduler.Waiting, Is.EqualTo(new[] { second, third }));
            Assert.That(second.ComputedTokens, Is.Zero);
            Assert.That(scheduler.Preemptions, Is.EqualTo(1));
        });
        blocks.CheckInvariants(scheduler.Running);
    }

    [Test]
    public void Priority_serves_the_lowest_value_first_and_preempts_the_highest()
    {
        var (scheduler, _) = Make(blocks: 4, maxTokens: 32, policy: SchedulingPolicy.Priority);
        var low = Add(scheduler, 30, priority: 5);
        Take(scheduler);
        var urgent = Add(scheduler, 31, value: 2, priority: -1);
        var normal = Add(scheduler, 4, value: 3, priority: 0);
        low.Append(1);
        Take(scheduler);
        Assert.That(scheduler.Running, Is.EqualTo(new[] { urgent, low }));
        Assert.That(scheduler.Waiting, Is.EqualTo(new[] { normal }));
        urgent.Append(1);
        urgent.Append(1);
        low.Append(1);
        low.Append(1);
        Take(scheduler);
        Assert.That(scheduler.Running, Does.Contain(urgent).And.Not.Contain(low));
    }

    [Test]
    public void Requests_with_the_same_beginning_share_it_in_the_very_step_that_computes_it()
    {
        var (scheduler, blocks) = Make(blocks: 64, maxTokens: 200);
        var first = Add(scheduler, 40);
        var second = Add(scheduler, 40);
        var step = scheduler.Schedule();
        Assert.That(step.Scheduled, Is.EqualTo(new[] { new ScheduledTokens(first, 0, 40, true), new ScheduledTokens(second, 32, 8, true) }));
        Assert.That(second.BlockTable[..2], Is.EqualTo(first.BlockTable[..2]));
        Assert.That(blocks.PrefixHits, Is.EqualTo(32));
    }

    [Test]
    public void A_sequence_counts_in_the_prefix_cache_once_however_long_it_waits_and_however_often_it_starts_over()
    {
        var (scheduler, blocks) = Make(blocks: 4, maxTokens: 64);
        var first = Add(scheduler, 32);
        var second = Add(scheduler, 32, value: 2);
        var third = Add(scheduler, 40, value: 3);
        for (var i = 0; i < 5; i++)
        {
            Take(scheduler);
            if (first.Length == first.ComputedTokens) first.Append(1);
            if (second.Length == second.ComputedTokens) second.Append(1);
        }

        Assert.That((scheduler.Preemptions, third.Status, blocks.PrefixQueries), Is.EqualTo((1, SequenceStatus.Waiting, 64)));
        scheduler.Remove(first);
        Take(scheduler);
        Assert.That((second.Status, blocks.PrefixQueries), Is.EqualTo((SequenceStatus.Running, 64)));
        scheduler.Remove(second);
        Take(scheduler);
        Assert.That((third.Status, blocks.PrefixQueries), Is.EqualTo((SequenceStatus.Running, 104)));
    }

    /// <summary>Random requests, budgets, caches and aborts: limits hold in every step, and everyone comes to an end, the oldest never waiting for a younger one.</summary>
    [FsCheck.NUnit.Property(MaxTest = 100)]
    public Property Budgets_hold_and_no_one_starves() => Prop.ForAll(
        ArbMap.Default.ArbFor<int>(),
        seed =>
        {
            var random = new Random(seed);
            int blockCount = random.Next(5, 30), maxTokens = random.Next(1, 60), maxSequences = random.Next(1, 8);
            var policy = random.Next(3) == 0 ? SchedulingPolicy.Priority : SchedulingPolicy.Fcfs;
            var blocks = new BlockManager(blockCount, BlockSize, random.Next(3) > 0);
            var scheduler = new Scheduler(blocks, maxSequences, maxTokens, policy);
            var live = new HashSet<Sequence>();
            var added = 0;
            for (var step = 0; step < 20_000 && (added < 40 || live.Count > 0); step++)
            {
                if (added < 40 && random.Next(3) == 0)
                {
                    var sequence = NewSequence(random.Next(1, 40), random.Next(3), random.Next(1, 30), random.Next(3));
                    scheduler.Add(sequence);
                    live.Add(sequence);
                    added++;
                }

                if (live.Count > 0 && random.Next(30) == 0)
                {
                    var aborted = live.First();
                    live.Remove(aborted);
                    scheduler.Remove(aborted);
                }

                var output = scheduler.Schedule();
                blocks.CheckInvariants(scheduler.Running);
                if (output.TotalTokens > maxTokens || output.TotalTokens != output.Scheduled.Sum(s => s.Tokens)) return false;
                if (scheduler.Running.Count > maxSequences || (live.Count > 0 && output.Scheduled.Count == 0)) return false;
                if (policy == SchedulingPolicy.Fcfs && live.Count > 0 && !output.Scheduled.Any(s => s.Sequence == live.MinBy(l => l.Arrival))) return false;
                foreach (var scheduled in output.Scheduled)
                {
                    if (scheduled.Tokens < 1 || scheduled.FirstToken != scheduled.Sequence.ComputedTokens) return false;
                    if (scheduled.Sequence.BlockTable.Count * BlockSize < scheduled.FirstToken + scheduled.Tokens) return false;
                    scheduler.Advance(scheduled);
                    if (!scheduled.Samples) continue;
                    scheduled.Sequence.Append(random.Next(3));
                    if (scheduled.Sequence.OutputLength < scheduled.Sequence.Parameters.MaxTokens) continue;
                    scheduler.Remove(scheduled.Sequence);
                    live.Remove(scheduled.Sequence);
                }
            }

            return live.Count == 0 && blocks.FreeBlocks == blocks.TotalBlocks;
        });

    private static (Scheduler Scheduler, BlockManager Blocks) Make(int blocks, int maxTokens, SchedulingPolicy policy = SchedulingPolicy.Fcfs)
    {
        var manager = new BlockManager(blocks, BlockSize, enablePrefixCaching: true);
        return (new Scheduler(manager, 8, maxTokens, policy), manager);
    }

    private static Sequence Add(Scheduler scheduler, int tokens, int value = 1, int priority = 0)
    {
        var sequence = NewSequence(tokens, value, 100, priority);
        scheduler.Add(sequence);
        return sequence;
    }

    private static void Take(Scheduler scheduler)
    {
        foreach (var scheduled in scheduler.Schedule().Scheduled) scheduler.Advance(scheduled);
    }

    private static Sequence NewSequence(int tokens, int value, int maxTokens, int priority)
    {
        var parameters = new SamplingParams { MaxTokens = maxTokens };
        int[] prompt = [.. Enumerable.Repeat(value, tokens)];
        return new Sequence("s", prompt, parameters, new SamplerState(parameters, prompt), priority);
    }
}
