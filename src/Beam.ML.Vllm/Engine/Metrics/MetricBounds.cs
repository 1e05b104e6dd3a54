namespace Beam.ML.Vllm.Engine;

/// <summary>The bounds of histograms' buckets, as vLLM has them, so that dashboards made for it fit.</summary>
internal static class MetricBounds
{
    public static double[] FirstToken { get; } =
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];

    public static double[] Token { get; } = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];

    public static double[] Request { get; } =
        [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

    public static double[] Iteration { get; } = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];

    public static double[] Completions { get; } = [1, 2, 5, 10, 20];

    /// <summary>1, 2, 5, 10, 20, 50 … up to a limit.</summary>
    public static double[] OneTwoFive(int limit)
    {
        var bounds = new List<double>();
        for (var power = 1L; power <= limit; power *= 10)
        {
            foreach (var factor in (ReadOnlySpan<int>)[1, 2, 5])
            {
                if (power * factor <= limit) bounds.Add(power * factor);
            }
        }

        return [.. bounds];
    }
}
