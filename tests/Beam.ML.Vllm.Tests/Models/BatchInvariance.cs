using NUnit.Framework;

namespace Beam.ML.Vllm.Tests.Models;

/// <summary>Random prompts in random chunks, alone and together: every logit has the same bits.</summary>
internal static class BatchInvariance
{
    public static void Check(RunnerHarness alone, RunnerHarness together, int rounds)
    {
        var random = new Random(5);
        for (var round = 0; round < rounds; round++)
        {
            var prompts = Enumerable.Range(0, random.Next(2, 9))
                .Select(_ => Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(alone.Vocabulary)).ToArray()).ToArray();
            var expected = prompts.Select(p => Once(alone, p)).ToArray();
            var sequences = prompts.Select(p => RunnerHarness.NewSequence(p)).ToArray();
            var seen = prompts.Select(_ => new List<float[]>()).ToArray();
            while (sequences.Any(s => s.ComputedTokens < s.Length))
            {
                var live = Enumerable.Range(0, sequences.Length).Where(i => sequences[i].ComputedTokens < sequences[i].Length && random.Next(3) > 0).ToArray();
                if (live.Length == 0) continue;
                var logits = together.Step([.. live.Select(i => (sequences[i], random.Next(1, 20)))]);
                for (var i = 0; i < live.Length; i++) seen[live[i]].AddRange(logits[i]);
            }

            for (var i = 0; i < prompts.Length; i++) Assert.That(seen[i], Is.EqualTo(expected[i]));
            foreach (var sequence in sequences) together.Free(sequence);
        }
    }

    private static float[][] Once(RunnerHarness harness, int[] prompt)
    {
        var sequence = RunnerHarness.NewSequence(prompt);
        var logits = harness.Logits(sequence);
        harness.Free(sequence);
        return logits;
    }
}
