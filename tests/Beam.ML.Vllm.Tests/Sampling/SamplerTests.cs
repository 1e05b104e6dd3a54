using Beam.ML.Vllm.Sampling;
using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Sampling;

public sealed class SamplerTests
{
    private static int Sample(SamplingParams p, SamplerState state, params float[] logits) => Sampler.Sample((float[])logits.Clone(), p, state);

    private static Dictionary<int, double> Frequencies(SamplingParams p, float[] logits, int draws = 20_000)
    {
        var state = new SamplerState(p with { Seed = p.Seed ?? 1 }, []);
        var counts = new Dictionary<int, double>();
        for (var i = 0; i < draws; i++)
        {
            var id = Sampler.Sample((float[])logits.Clone(), p, state);
            counts[id] = counts.GetValueOrDefault(id) + 1.0 / draws;
        }
        return counts;
    }

    [Test]
    public void Greedy_takes_the_likeliest_token_and_the_lowest_id_among_equals()
    {
        var p = new SamplingParams { Temperature = 0 };
        Assert.That(Sample(p, new SamplerState(p, []), 1, 3, 2, 3), Is.EqualTo(1));
        Assert.That(Sample(p, new SamplerState(p, []), float.NaN, -5, float.NegativeInfinity, -4), Is.EqualTo(3));
    }

    [Test]
    public void Argmax_finds_the_maximum_wherever_it_is([Values(1, 2, 7, 8, 15, 16, 17, 33, 100)] int length)
    {
        for (var at = 0; at < length; at++)
        {
            var logits = new float[length];
            Array.Fill(logits, -1f);
            logits[at] = 1;
            Assert.That(Sampler.ArgMax(logits), Is.EqualTo(at));
        }
    }

    [Test]
    public void Samples_follow_the_softmax_of_the_logits()
    {
        float[] logits = [MathF.Log(0.5f), MathF.Log(0.3f), MathF.Log(0.2f)];
        var seen = Frequencies(new SamplingParams(), logits);
        Assert.That(seen[0], Is.EqualTo(0.5).Within(0.02));
        Assert.That(seen[1], Is.EqualTo(0.3).Within(0.02));
        Assert.That(seen[2], Is.EqualTo(0.2).Within(0.02));
    }

    [Test]
    public void Temperature_sharpens_or_flattens_the_distribution()
    {
        float[] logits = [MathF.Log(0.8f), MathF.Log(0.2f)];
        Assert.That(Frequencies(new SamplingParams { Temperature = 0.5 }, logits)[0], Is.EqualTo(0.64 / 0.68).Within(0.02));
        Assert.That(Frequencies(new SamplingParams { Temperature = 2 }, logits)[0], Is.EqualTo(2.0 / 3).Within(0.02));
        Assert.That(Frequencies(new SamplingParams { Temperature = 1e-9 }, logits, 100).Keys, Is.EqualTo((int[])[0]));
    }

    [Test]
    public void Top_k_keeps_the_k_likeliest() =>
        Assert.That(Frequencies(new SamplingParams { TopK = 2 }, [1, 3, 2, 0, 2.5f]).Keys.Order(), Is.EqualTo((int[])[1, 4]));

    [Test]
    public void Top_p_keeps_the_smallest_set_that_reaches_p()
    {
        float[] logits = [MathF.Log(0.4f), MathF.Log(0.3f), MathF.Log(0.2f), MathF.Log(0.1f)];
        Assert.That(Frequencies(new SamplingParams { TopP = 0.6 }, logits).Keys.Order(), Is.EqualTo((int[])[0, 1]));
        Assert.That(Frequencies(new SamplingParams { TopP = 0.75 }, logits).Keys.Order(), Is.EqualTo((int[])[0, 1, 2]));
        Assert.That(Frequencies(new SamplingParams { TopP = 0.0001 }, logits).Keys, Is.EqualTo((int[])[0]));
    }

    [Test]
    public void Top_p_counts_within_what_top_k_left()
    {
        float[] logits = [MathF.Log(0.4f), MathF.Log(0.3f), MathF.Log(0.2f), MathF.Log(0.1f)];
        // Of the two kept, the first has 0.4 / 0.7 = 0.571.
        Assert.That(Frequencies(new SamplingParams { TopK = 2, TopP = 0.55 }, logits).Keys, Is.EqualTo((int[])[0]));
    }

    [Test]
    public void Min_p_drops_what_is_too_improbable_beside_the_likeliest()
    {
        float[] logits = [MathF.Log(0.5f), MathF.Log(0.3f), MathF.Log(0.15f), MathF.Log(0.05f)];
        Assert.That(Frequencies(new SamplingParams { MinP = 0.25 }, logits).Keys.Order(), Is.EqualTo((int[])[0, 1, 2]));
    }

    [Test]
    public void Equal_seeds_give_equal_tokens_and_others_do_not()
    {
        var random = new Random(5);
        var steps = Enumerable.Range(0, 50).Select(_ => Enumerable.Range(0, 100).Select(_ => random.NextSingle() * 3).ToArray()).ToArray();
        int[] Run(long seed)
        {
            var p = new SamplingParams { Seed = seed, TopP = 0.95, TopK = 50 };
            var state = new SamplerState(p, []);
            return [.. steps.Select(logits => Sample(p, state, logits))];
        }
        Assert.That(Run(7), Is.EqualTo(Run(7)));
        Assert.That(Run(7), Is.Not.EqualTo(Run(8)));
    }

    [Test]
    public void No_stop_token_is_chosen_before_min_tokens()
    {
        var p = new SamplingParams { Temperature = 0, MinTokens = 2, StopTokenIds = [1] };
        var state = new SamplerState(p, [], eosTokenIds: [0]);
        Assert.That(Enumerable.Range(0, 3).Select(_ => Sample(p, state, 9, 8, 7)), Is.EqualTo((int[])[2, 2, 0]));
    }

    [Test]
    public void Presence_and_frequency_penalties_look_at_the_output_only()
    {
        var p = new SamplingParams { Temperature = 0, PresencePenalty = 0.5 };
        var state = new SamplerState(p, [0, 0]);
        Assert.That((Sample(p, state, 1, 0.8f), Sample(p, state, 1, 0.8f), Sample(p, state, 1, 0.8f)), Is.EqualTo((0, 1, 0)));
        p = new SamplingParams { Temperature = 0, FrequencyPenalty = 0.1 };
        state = new SamplerState(p, []);
        Assert.That(Enumerable.Range(0, 5).Select(_ => Sample(p, state, 1, 0.75f)), Is.EqualTo((int[])[0, 0, 0, 1, 0]));
    }

    [Test]
    public void Tokens_chosen_before_a_penalty_asks_for_them_count_all_the_same()
    {
        var state = new SamplerState(new SamplingParams(), []);
        foreach (var id in (int[])[3, 5, 3]) state.Accept(id);
        Assert.That(state.OutputCounts, Is.EquivalentTo(new Dictionary<int, int> { [3] = 2, [5] = 1 }));
        state.Accept(5);
        Assert.That(state.OutputCounts[5], Is.EqualTo(2));
    }

    [Test]
    public void The_repetition_penalty_looks_at_prompt_and_output()
    {
        var p = new SamplingParams { Temperature = 0, RepetitionPenalty = 2 };
        var state = new SamplerState(p, [0]);
        Assert.That(Sample(p, state, 1, 0.6f, 0.4f), Is.EqualTo(1));
        Assert.That(Sample(p, state, 1, 0.6f, 0.4f), Is.EqualTo(0));
        Assert.That(Sample(p, state, -1, -1.9f, -1.95f), Is.EqualTo(2), "a negative logit is multiplied");
    }

    [Test]
    public void Biases_and_permissions_bind_greedy_sampling_too()
    {
        var p = new SamplingParams { Temperature = 0, LogitBias = new Dictionary<int, float> { [2] = 5, [99] = 5 } };
        Assert.That(Sample(p, new SamplerState(p, []), 1, 2, 0), Is.EqualTo(2));
        p = new SamplingParams { Temperature = 0, AllowedTokenIds = [0, 2, 99] };
        Assert.That(Sample(p, new SamplerState(p, []), 1, 9, 2), Is.EqualTo(2));
    }

    [Test]
    public void The_last_token_of_a_bad_word_is_not_chosen_after_the_rest_of_it()
    {
        var p = new SamplingParams { Temperature = 0, BadWordsTokenIds = [[1, 2], [5, 0]] };
        var state = new SamplerState(p, [5]);
        Assert.That(Sample(p, state, 9, 8, 0), Is.EqualTo(0), "5 is the prompt's end, not the output's");
        Assert.That(Sample(p, state, 1, 2, 0), Is.EqualTo(1));
        Assert.That(Sample(p, state, 1, 2, 9), Is.EqualTo(1), "1 was chosen, so 2 is out");
        p = new SamplingParams { Temperature = 0, BadWordsTokenIds = [[2]] };
        Assert.That(Sample(p, new SamplerState(p, []), 1, 2, 9), Is.EqualTo(1), "a word of one token is always out");
    }

    [Test]
    public void Nothing_left_to_choose_is_an_error()
    {
        var p = new SamplingParams { AllowedTokenIds = [50] };
        Assert.That(() => Sample(p, new SamplerState(p, []), 1, 2), Throws.ArgumentException.With.Message.Contains("No token can be chosen"));
        Assert.That(() => Sample(p with { AllowedTokenIds = null }, new SamplerState(p, []), float.NaN), Throws.ArgumentException);
    }

    [Test]
    public void A_large_vocabulary_is_sampled_as_a_small_one()
    {
        var logits = new float[100_003];
        Array.Fill(logits, -30f);
        logits[70_001] = MathF.Log(3);
        logits[99_999] = 0;
        var seen = Frequencies(new SamplingParams { TopP = 0.999 }, logits, 300);
        Assert.That(seen.Keys.Order(), Is.EqualTo((int[])[70_001, 99_999]));
        Assert.That(seen[70_001], Is.EqualTo(0.75).Within(0.1));
    }
}
