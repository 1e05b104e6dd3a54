namespace Beam.Cli.Engine.Bench;

/// <summary>A prompt and the length of its answer.</summary>
internal sealed record Work(int[] Prompt, int OutputTokens);

/// <summary>Prompts that say nothing, of lengths that mean something; the same for the same seed.</summary>
internal static class Workload
{
    /// <summary>In the form of a sentence, for --help and reports.</summary>
    public const string SkewedDescription = "prompts log-normal (median 60, σ 0.8, 4 to 700 tokens), answers log-normal (median 14, σ 1, 1 to 256), end of sequence ignored";

    public static int[] RandomPrompt(Random random, int tokens, int vocabulary) =>
        [.. Enumerable.Range(0, tokens).Select(_ => random.Next(Math.Min(10, vocabulary - 1), vocabulary))];

    /// <summary>Equal lengths.</summary>
    public static Work[] Even(int count, int promptTokens, int outputTokens, int vocabulary, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => new Work(RandomPrompt(random, promptTokens, vocabulary), outputTokens))];
    }

    /// <summary>Few long ones among many short ones, as <see cref="SkewedDescription"/> says, cut where a model's context ends.</summary>
    public static Work[] Skewed(int count, int vocabulary, int maxModelLength, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            var (prompt, output) = (LogNormal(60, 0.8, 4, 700), LogNormal(14, 1, 1, 256));
            output = Math.Min(output, Math.Max(1, maxModelLength / 2));
            return new Work(RandomPrompt(random, Math.Min(prompt, maxModelLength - output), vocabulary), output);
        })];

        int LogNormal(double median, double sigma, int least, int most)
        {
            var normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            return (int)Math.Clamp(Math.Round(median * Math.Exp(sigma * normal)), least, most);
        }
    }

    /// <summary>
    /// Batches as a static batcher computes them, a rectangle each: prompts padded to the longest, answers computed until the longest has
    /// ended.
    /// </summary>
    public static IEnumerable<Work[]> Rectangles(IReadOnlyList<Work> work, int size, int vocabulary, int maxModelLength)
    {
        var random = new Random(size);
        foreach (var batch in work.Chunk(size))
        {
            var (prompt, output) = (batch.Max(w => w.Prompt.Length), batch.Max(w => w.OutputTokens));
            prompt = Math.Min(prompt, maxModelLength - output);
            yield return [.. batch.Select(w => new Work([.. w.Prompt.Take(prompt), .. RandomPrompt(random, Math.Max(0, prompt - w.Prompt.Length), vocabulary)], output))];
        }
    }
}
