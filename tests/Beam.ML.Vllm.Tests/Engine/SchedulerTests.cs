using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Lora;
using Beam.ML.Vllm.Sampling;
using Beam.ML.Vllm.Tests.Engine.Fakes;
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

    [TestCase(false, false)]
    [TestCase(true, false)]
    [TestCase(true, true)]
    public void A_long_prompt_waits_until_there_is_room_for_all_of_it_and_is_computed_once(bool prefixCaching, bool skipReading)
    {
        using var harness = new CoreHarness(
            new PagedFakeRunner(128, maxModelLength: 2048), new EngineOptions { Model = "x", MaxNumBatchedTokens = 512, EnablePrefixCaching = prefixCaching });
        harness.Run(
            new CoreRequest([.. Enumerable.Range(0, 600).Select(i => i % 23)], new SamplingParams { Temperature = 0, MaxTokens = 1000 }),
            new CoreRequest([.. Enumerable.Range(0, 1900).Select(i => i % 19)], new SamplingParams { Temperature = 0, MaxTokens = 8, SkipReadingPrefixCache = skipReading }));
        var stats = harness.Core.Stats();
        Assert.That(stats.Preemptions, Is.Zero);
        Assert.That(stats.ComputedTokens, Is.InRange(600 + 999 + 1900 + 7 - 16, 600 + 999 + 1900 + 7), "but for a block that both begin with");
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

    [Test]
    public void A_draft_takes_of_the_budget_what_is_left_and_a_rejected_one_is_computed_again()
    {
        var blocks = new BlockManager(64, BlockSize, enablePrefixCaching: true);
        var scheduler = new Scheduler(blocks, 8, 4, SchedulingPolicy.Fcfs, proposer: Proposer(6));
        var sequence = NewSequence(12, 1, 100, 0);
        scheduler.Add(sequence);
        Take(scheduler);
        Take(scheduler);
        Assert.That(scheduler.Schedule().Scheduled, Is.EqualTo(new[] { new ScheduledTokens(sequence, 8, 4, true) }));
        scheduler.Advance(new ScheduledTokens(sequence, 8, 4, true));
        sequence.Append(1);
        var step = scheduler.Schedule();
        Assert.That(step.Scheduled, Is.EqualTo(new[] { new ScheduledTokens(sequence, 12, 4, true, Drafts: 3) }));
        Assert.That(sequence.TokensAndDraft(12, 4).ToArray(), Is.EqualTo(new[] { 1, 1, 1, 1 }));

        // One came true, then 2 came instead.
        sequence.Append(1);
        sequence.Append(2);
        scheduler.Advance(step.Scheduled[0]);
        Assert.That((sequence.ComputedTokens, sequence.Length, sequence.DraftLength), Is.EqualTo((14, 15, 0)));
        Assert.That(scheduler.Schedule().Scheduled, Is.EqualTo(new[] { new ScheduledTokens(sequence, 14, 1, true) }));
    }

    [Test]
    public void No_one_is_preempted_for_a_draft()
    {
        var blocks = new BlockManager(2, BlockSize, enablePrefixCaching: true);
        var scheduler = new Scheduler(blocks, 8, 64, SchedulingPolicy.Fcfs, proposer: Proposer(6));
        Sequence first = Add(scheduler, 14), second = Add(scheduler, 14, value: 2);
        Take(scheduler);
        first.Append(1);
        second.Append(2);
        Assert.That(scheduler.Schedule().Scheduled, Is.EqualTo(new[] { new ScheduledTokens(first, 14, 1, true), new ScheduledTokens(second, 14, 1, true) }));
        Assert.That(scheduler.Preemptions, Is.Zero);
    }

    [Test]
    public void A_prefix_that_was_drafted_is_found_once_it_has_come_true()
    {
        var blocks = new BlockManager(64, BlockSize, enablePrefixCaching: true);
        var scheduler = new Scheduler(blocks, 8, 64, SchedulingPolicy.Fcfs, proposer: Proposer(6));
        var sequence = Add(scheduler, 14);
        Take(scheduler);
        sequence.Append(1);
        var step = scheduler.Schedule();
        Assert.That(step.Scheduled[0].Drafts, Is.EqualTo(6));
        Assert.That(blocks.AttachPrefix(NewSequence(20, 1, 1, 0)), Is.Zero);
        for (var i = 0; i < 3; i++) sequence.Append(1);
        scheduler.Advance(step.Scheduled[0]);
        Assert.That(blocks.AttachPrefix(NewSequence(20, 1, 1, 0)), Is.EqualTo(16));
    }

    [Test]
    public void An_adapter_that_finds_no_room_waits_while_others_pass_it_but_not_for_ever()
    {
        var blocks = new BlockManager(64, BlockSize, enablePrefixCaching: true);
        var scheduler = new Scheduler(blocks, 4, 64, SchedulingPolicy.Fcfs, maxLoras: 1);
        LoraAdapter one = PagedFakeRunner.Adapter("one"), other = PagedFakeRunner.Adapter("other");
        AddWith(one);
        Take(scheduler);
        var passedOver = AddWith(other);
        var (served, steps) = (0, 0);
        for (; passedOver.Status == SequenceStatus.Waiting; steps++)
        {
            Assert.That(steps, Is.LessThan(LoraSlots.Patience + 20), "it waits for ever");
            AddWith(steps % 2 == 0 ? one : null);
            Take(scheduler);
            foreach (var sequence in scheduler.Running.ToArray())
            {
                sequence.Append(1);
                if (sequence.OutputLength < 8) continue;
                scheduler.Remove(sequence);
                served++;
            }
        }

        Assert.That(served, Is.GreaterThan(40));
        Assert.That(steps, Is.GreaterThan(LoraSlots.Patience));

        Sequence AddWith(LoraAdapter? adapter)
        {
            var sequence = NewSequence(3, 1, 100, 0, adapter);
            scheduler.Add(sequence);
            return sequence;
        }
    }

    [Test]
    public void Patience_is_not_forgotten_where_someone_else_comes_first_for_a_step()
    {
        var blocks = new BlockManager(64, BlockSize, enablePrefixCaching: true);
        var scheduler = new Scheduler(blocks, 4, 64, SchedulingPolicy.Priority, maxLoras: 1);
        LoraAdapter one = PagedFakeRunner.Adapter("one"), other = PagedFakeRunner.Adapter("other");
        AddWith(one, priority: 1);
        Take(scheduler);
        var passedOver = AddWith(other, priority: 1);
        for (var steps = 0; passedOver.Status == SequenceStatus.Waiting; steps++)
        {
            Assert.That(steps, Is.LessThan(LoraSlots.Patience + 20), "it waits for ever");
            AddWith(steps % 2 == 0 ? one : null, priority: steps % 2 == 0 ? 1 : 0);
            Take(scheduler);
            foreach (var sequence in scheduler.Running.ToArray())
            {
                sequence.Append(1);
                if (sequence.OutputLength >= 4) scheduler.Remove(sequence);
            }
        }

        Sequence AddWith(LoraAdapter? adapter, int priority)
        {
            var sequence = NewSequence(3, 1, 100, priority, adapter);
            scheduler.Add(sequence);
            return sequence;
        }
    }

    /// <summary>
    /// Random requests, budgets, caches, adapters, drafts and aborts: limits hold in every step, and everyone comes to an end; served in the
    /// order of arrival, the oldest never waits for a younger one but for room for its adapter. (Under the priority policy those of high value
    /// wait for as long as others come, which is its purpose: here the others end.)
    /// </summary>
    [FsCheck.NUnit.Property(MaxTest = 100)]
    public Property Budgets_hold_and_no_one_starves() => Prop.ForAll(
        ArbMap.Default.ArbFor<int>(),
        seed =>
        {
            var random = new Random(seed);
            int blockCount = random.Next(5, 30), maxTokens = random.Next(1, 60), maxSequences = random.Next(1, 8), maxLoras = random.Next(1, 4);
            var policy = random.Next(3) == 0 ? SchedulingPolicy.Priority : SchedulingPolicy.Fcfs;
            var blocks = new BlockManager(blockCount, BlockSize, random.Next(3) > 0);
            var scheduler = new Scheduler(blocks, maxSequences, maxTokens, policy, maxLoras, random.Next(2) == 0 ? null : Proposer(random.Next(1, 8)));
            LoraAdapter?[] adapters = random.Next(2) == 0 ? [null] : [null, .. Enumerable.Range(0, 4).Select(i => PagedFakeRunner.Adapter($"{i}"))];
            var live = new HashSet<Sequence>();
            var added = 0;
            for (var step = 0; step < 20_000 && (added < 40 || live.Count > 0); step++)
            {
                if (added < 40 && random.Next(3) == 0)
                {
                    var sequence = NewSequence(random.Next(1, 40), random.Next(3), random.Next(1, 30), random.Next(3), adapters[random.Next(adapters.Length)]);
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
                if (scheduler.Running.Where(s => s.Lora is not null).Select(s => s.Lora).Distinct().Count() > maxLoras) return false;
                if (policy == SchedulingPolicy.Fcfs && live.MinBy(l => l.Arrival) is { Lora: null } oldest && !output.Scheduled.Any(s => s.Sequence == oldest)) return false;
                foreach (var scheduled in output.Scheduled)
                {
                    var sequence = scheduled.Sequence;
                    if (scheduled.Tokens < 1 || scheduled.FirstToken != sequence.ComputedTokens) return false;
                    if (sequence.BlockTable.Count * BlockSize < scheduled.FirstToken + scheduled.Tokens) return false;
                    if (scheduled.Drafts > 0 && (!scheduled.Samples || scheduled.KnownEnd != sequence.Length || scheduled.Drafts != sequence.DraftLength)) return false;
                    if (scheduled.Drafts >= sequence.Parameters.MaxTokens - sequence.OutputLength) return false;
                    int[] draft = [.. sequence.Draft];
                    if (scheduled.Samples)
                    {
                        foreach (var token in draft.Take(random.Next(scheduled.Drafts + 1))) sequence.Append(token);
                        sequence.Append(random.Next(3));
                    }

                    scheduler.Advance(scheduled);
                    if (scheduled.Samples && sequence.ComputedTokens != sequence.Length - 1) return false;
                    if (sequence.OutputLength < sequence.Parameters.MaxTokens) continue;
                    scheduler.Remove(sequence);
                    live.Remove(sequence);
                }

                blocks.CheckInvariants(scheduler.Running);
            }

            return live.Count == 0 && blocks.FreeBlocks == blocks.TotalBlocks;
        });

    [Test]
    public void A_draft_takes_no_block_that_another_one_needs()
    {
        var blocks = new BlockManager(5, BlockSize, enablePrefixCaching: true);
        var scheduler = new Scheduler(blocks, 8, 512, SchedulingPolicy.Fcfs, proposer: Proposer(4));
        var drafting = Add(scheduler, [.. Enumerable.Range(0, 31).Select(i => i % 3)]);
        var other = Add(scheduler, [.. Enumerable.Range(100, 32)]);
        Take(scheduler);
        drafting.Append(31 % 3);
        other.Append(200);
        var step = scheduler.Schedule();
        Assert.That(step.Scheduled, Is.EqualTo(new[] { new ScheduledTokens(drafting, 31, 1, true), new ScheduledTokens(other, 32, 1, true) }));
        Assert.That((scheduler.Preemptions, drafting.DraftLength), Is.EqualTo((0, 0)));
    }

    [Test]
    public void What_a_draft_took_in_vain_is_there_for_others_in_the_next_step()
    {
        var blocks = new BlockManager(5, BlockSize, enablePrefixCaching: true);
        var scheduler = new Scheduler(blocks, 8, 512, SchedulingPolicy.Fcfs, proposer: Proposer(4));
        var drafting = Add(scheduler, [.. Enumerable.Range(0, 30).Select(i => i % 3)]);
        var other = Add(scheduler, [.. Enumerable.Range(100, 31)]);
        Take(scheduler);
        drafting.Append(30 % 3);
        other.Append(200);
        var step = scheduler.Schedule();
        Assert.That((step.Scheduled[0].Drafts, blocks.FreeBlocks), Is.EqualTo((4, 0)));
        drafting.Append(77);
        other.Append(201);
        foreach (var scheduled in step.Scheduled) scheduler.Advance(scheduled);
        Assert.That(blocks.FreeBlocks, Is.EqualTo(1));
        Take(scheduler);
        Assert.That((scheduler.Preemptions, other.ComputedTokens), Is.EqualTo((0, 33)));
        blocks.CheckInvariants(scheduler.Running);
    }

    private static NgramProposer Proposer(int tokens) =>
        new(new SpeculativeConfig { NumSpeculativeTokens = tokens, PromptLookupMin = 1, PromptLookupMax = 3 }, maxModelLength: 1000);

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

    private static Sequence Add(Scheduler scheduler, int[] prompt)
    {
        var parameters = new SamplingParams { MaxTokens = 100 };
        var sequence = new Sequence("s", prompt, parameters, new SamplerState(parameters, prompt));
        scheduler.Add(sequence);
        return sequence;
    }

    private static void Take(Scheduler scheduler)
    {
        foreach (var scheduled in scheduler.Schedule().Scheduled) scheduler.Advance(scheduled);
    }

    private static Sequence NewSequence(int tokens, int value, int maxTokens, int priority, LoraAdapter? adapter = null)
    {
        var parameters = new SamplingParams { MaxTokens = maxTokens };
        int[] prompt = [.. Enumerable.Repeat(value, tokens)];
        return new Sequence("s", prompt, parameters, new SamplerState(parameters, prompt), priority) { Lora = adapter };
    }
}
