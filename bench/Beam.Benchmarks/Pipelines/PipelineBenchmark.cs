namespace Beam.Benchmarks.Pipelines;

/// <summary>A million elements through a grouping, and through a chain of maps, in both modes of the local runner; start-up included.</summary>
internal sealed class PipelineBenchmark : IBenchmark
{
    public string Verb => "elements";

    public string Group => "pipelines";

    public string Description => "Elements per second through a grouping and through fused maps, in both modes.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        foreach (var mode in (string[])["in_memory", "multi_processing"])
        {
            await Measurement.RateAsync($"{mode}: sequence, map, key, group, sum", "elements", settings.Elements, settings, () => RunAsync(mode, settings, GroupAndSum));
            await Measurement.RateAsync($"{mode}: sequence, key, sum per key (lifted)", "elements", settings.Elements, settings, () => RunAsync(mode, settings, Combine));
            await Measurement.RateAsync($"{mode}: sequence, five maps, filter (fused)", "elements", settings.Elements, settings, () => RunAsync(mode, settings, Chain));
        }

        static void GroupAndSum(Pipeline pipeline, long n) => pipeline.GenerateSequence(0, n)
            .Map(x => x * 31)
            .Map(x => KV.Of(x % 1000, x))
            .GroupByKey()
            .Map(group => KV.Of(group.Key, group.Value.Sum()));

        static void Combine(Pipeline pipeline, long n) => pipeline.GenerateSequence(0, n)
            .Map(x => KV.Of(x * 31 % 1000, x))
            .SumPerKey();

        static void Chain(Pipeline pipeline, long n) => pipeline.GenerateSequence(0, n)
            .Map(x => x + 1).Map(x => x * 3).Map(x => x ^ 0x55).Map(x => x - 7).Map(x => x / 2)
            .Filter(x => x < 0);
    }

    internal static async Task RunAsync(string mode, BenchmarkSettings settings, Action<Pipeline, long> build)
    {
        var pipeline = Pipeline.Create(["--direct_running_mode", mode, "--direct_num_workers", $"{settings.Workers}", "--direct_progress", "off"]);
        build(pipeline, settings.Elements);
        await using var result = await pipeline.RunAsync();
    }
}
