using Beam.ML.Vllm.Engine;
using Beam.ML.Vllm.Sampling;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Engine;

[TestFixture]
public sealed class BlockManagerTests
{
    private const int BlockSize = 16;

    [Test]
    public void A_freed_prefix_is_found_again_until_its_blocks_are_needed()
    {
        var blocks = new BlockManager(4, BlockSize, enablePrefixCaching: true);
        var first = Compute(blocks, Tokens(40, 1));
        var table = first.BlockTable.ToArray();
        blocks.Free(first);

        var second = NewSequence(Tokens(40, 1));
        Assert.That(blocks.AttachPrefix(second), Is.EqualTo(32));
        Assert.That(second.BlockTable, Is.EqualTo(table[..2]));
        blocks.Free(second);

        blocks.Free(Compute(blocks, Tokens(64, 2)));
        Assert.That(blocks.AttachPrefix(NewSequence(Tokens(40, 1))), Is.Zero);
    }

    [Test]
    public void The_end_of_a_prefix_is_evicted_before_its_beginning()
    {
        var blocks = new BlockManager(4, BlockSize, enablePrefixCaching: true);
        blocks.Free(Compute(blocks, Tokens(64, 1)));
        blocks.Free(Compute(blocks, Tokens(16, 2)));
        Assert.That(blocks.AttachPrefix(NewSequence(Tokens(65, 1))), Is.EqualTo(48));
    }

    [Test]
    public void What_nobody_can_find_is_given_out_before_what_is_cached()
    {
        var blocks = new BlockManager(4, BlockSize, enablePrefixCaching: true);
        blocks.Free(Compute(blocks, Tokens(32, 1)));
        for (var i = 0; i < 3; i++)
        {
            var sequence = NewSequence(Tokens(20, 2));
            Assert.That(blocks.TryGrow(sequence, 32));
            blocks.Free(sequence);
        }

        Assert.That(blocks.AttachPrefix(NewSequence(Tokens(40, 1))), Is.EqualTo(32));
    }

    [Test]
    public void Equal_tokens_after_a_different_beginning_are_not_shared()
    {
        var blocks = new BlockManager(8, BlockSize, enablePrefixCaching: true);
        int[] a = [.. Tokens(16, 1), .. Tokens(16, 3)], b = [.. Tokens(16, 2), .. Tokens(16, 3), 9];
        Compute(blocks, a);
        Assert.That(blocks.AttachPrefix(NewSequence(b)), Is.Zero);
    }

    [Test]
    public void No_tokens_lead_into_the_chain_of_a_salted_request()
    {
        // A salt whose bytes are the tokens of the first block, and the tokens of the second.
        int[] known = [.. Tokens(16, 1), .. Tokens(16, 3), 9];
        var salt = string.Concat(Tokens(16, 1).SelectMany(token => new[] { (char)(token & 0xffff), (char)(token >> 16) }));
        var root = BlockHash.Salted(default, salt);
        Assert.That(root, Is.Not.EqualTo(BlockHash.Chain(default, Tokens(16, 1))));
        Assert.That(BlockHash.Salted(root, salt), Is.Not.EqualTo(root));
        Assert.That(BlockHash.Salted(default, "a"), Is.Not.EqualTo(BlockHash.Salted(default, "b")));

        var blocks = new BlockManager(8, BlockSize, enablePrefixCaching: true);
        Compute(blocks, known);
        var parameters = new SamplingParams { CacheSalt = salt };
        var salted = new Sequence("salted", known[16..], parameters, new SamplerState(parameters, known));
        Assert.That(blocks.AttachPrefix(salted), Is.Zero);
    }

    [Test]
    public void A_whole_prompt_that_is_cached_still_leaves_a_token_to_compute()
    {
        var blocks = new BlockManager(8, BlockSize, enablePrefixCaching: true);
        Compute(blocks, Tokens(32, 1));
        Assert.That(blocks.AttachPrefix(NewSequence(Tokens(32, 1))), Is.EqualTo(16));
    }

    [Test]
    public void Without_prefix_caching_nothing_is_shared()
    {
        var blocks = new BlockManager(8, BlockSize, enablePrefixCaching: false);
        Compute(blocks, Tokens(40, 1));
        Assert.That(blocks.AttachPrefix(NewSequence(Tokens(40, 1))), Is.Zero);
    }

    [Test]
    public void A_block_cannot_be_freed_twice()
    {
        var blocks = new BlockManager(2, BlockSize, enablePrefixCaching: true);
        var sequence = Compute(blocks, Tokens(5, 1));
        var block = sequence.BlockTable[0];
        blocks.Free(sequence);
        sequence.BlockTable.Add(block);
        Assert.That(() => blocks.Free(sequence), Throws.InvalidOperationException);
    }

    /// <summary>
    /// Random sequences with common beginnings come, grow (at times by tokens that turn out to be other ones), go and start over; after every
    /// operation each block is free or held, never lost, and known only for what it holds.
    /// </summary>
    [FsCheck.NUnit.Property(MaxTest = 200)]
    public Property No_block_is_ever_lost_or_freed_twice() => Prop.ForAll(
        ArbMap.Default.ArbFor<int>(),
        seed =>
        {
            var random = new Random(seed);
            var blocks = new BlockManager(random.Next(1, 24), BlockSize, random.Next(4) > 0);
            var live = new List<Sequence>();
            for (var i = 0; i < 200; i++)
            {
                var choice = random.Next(10);
                if (choice < 4 || live.Count == 0)
                {
                    var sequence = NewSequence([.. Tokens(random.Next(0, 4) * 16, random.Next(3)), .. Tokens(random.Next(1, 20), random.Next(3))]);
                    sequence.ComputedTokens = blocks.AttachPrefix(sequence);
                    live.Add(sequence);
                    Grow(blocks, live, sequence, random.Next(1, 40));
                }
                else if (choice < 8)
                {
                    var sequence = live[random.Next(live.Count)];
                    if (sequence.ComputedTokens == sequence.Length) sequence.Append(random.Next(3));
                    if (choice == 7 && sequence.ComputedTokens == sequence.Length - 1)
                    {
                        Speculate(blocks, sequence, random);
                        blocks.CheckInvariants(live);
                        continue;
                    }

                    Grow(blocks, live, sequence, random.Next(1, 40));
                }
                else
                {
                    var sequence = live[random.Next(live.Count)];
                    live.Remove(sequence);
                    blocks.Free(sequence);
                }

                blocks.CheckInvariants(live);
            }

            foreach (var sequence in live) blocks.Free(sequence);
            blocks.CheckInvariants([]);
            return blocks.FreeBlocks == blocks.TotalBlocks;
        });

    private static void Grow(BlockManager blocks, List<Sequence> live, Sequence sequence, int tokens)
    {
        var to = Math.Min(sequence.Length, sequence.ComputedTokens + tokens);
        if (!blocks.TryGrow(sequence, to))
        {
            blocks.Free(sequence);
            live.Remove(sequence);
            return;
        }

        blocks.Publish(sequence, sequence.ComputedTokens, to);
        sequence.ComputedTokens = to;
    }

    /// <summary>Drafts tokens, of which some come true and one comes instead of the others.</summary>
    private static void Speculate(BlockManager blocks, Sequence sequence, Random random)
    {
        int[] draft = [.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => random.Next(3))];
        if (!blocks.TryGrow(sequence, sequence.Length + draft.Length)) return;
        sequence.SetDraft(draft);
        var known = sequence.Length;
        blocks.Publish(sequence, sequence.ComputedTokens, known);
        foreach (var token in draft.Take(random.Next(draft.Length + 1))) sequence.Append(token);
        sequence.Append(random.Next(3));
        sequence.ComputedTokens = sequence.Length - 1;
        blocks.Publish(sequence, known, sequence.ComputedTokens);
        blocks.Shrink(sequence, sequence.ComputedTokens);
    }

    private static Sequence Compute(BlockManager blocks, int[] tokens)
    {
        var sequence = NewSequence(tokens);
        Assert.That(blocks.TryGrow(sequence, tokens.Length));
        blocks.Publish(sequence, 0, tokens.Length);
        return sequence;
    }

    private static int[] Tokens(int count, int value) => [.. Enumerable.Repeat(value, count)];

    private static Sequence NewSequence(int[] tokens)
    {
        var parameters = new SamplingParams();
        return new Sequence("s", tokens, parameters, new SamplerState(parameters, tokens));
    }
}
