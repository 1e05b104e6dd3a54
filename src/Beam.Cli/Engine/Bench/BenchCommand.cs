using System.CommandLine;
using Beam.Cli.Hosting;
using Beam.Cli.Usage;

namespace Beam.Cli.Engine.Bench;

/// <summary><c>beam engine bench MODEL</c>: how fast a model is on this machine, beside what the machine can do at best.</summary>
internal static class BenchCommand
{
    public static Command Create(CliHost host)
    {
        var parts = new Option<string[]>("--only") { Description = "Measure this alone; may be given several times.", AllowMultipleArgumentsPerToken = true }.AcceptWords("speed", "skewed", "start");
        var repeats = new Option<int>("--repeats") { Description = "Runs of each measurement.", DefaultValueFactory = _ => 3, HelpName = "count" };
        var prompts = new Option<int>("--prompts") { Description = "Requests of the skewed workload.", DefaultValueFactory = _ => 64, HelpName = "count" };
        var json = new Option<bool>("--json") { Description = "Print JSON, for programs." };
        var markdown = new Option<bool>("--markdown") { Description = "Print a Markdown table." };
        var command = new Command(
            "bench",
            "Measure decode, prefill and batching beside the machine's own peaks. Skewed work is: " + Workload.SkewedDescription +
            ".");
        ModelOptions model = new($"; or random:SHAPE for random weights in the shape of {CheckpointShape.Names}");
        foreach (var option in (Option[])[parts, repeats, prompts, json, markdown]) command.Options.Add(option);
        model.AddTo(command, "served_model_name", "enable_prefix_caching", "scheduling_policy", "skip_tokenizer_init", "max_logprobs", "enable_lora", "lora_modules", "max_loras", "max_lora_rank", "max_cpu_loras");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var options = model.Read(parsed);
            var only = Array.ConvertAll(parsed.GetValue(parts) ?? [], part => Enum.Parse<BenchParts>(part, ignoreCase: true));
            var settings = new BenchSettings
            {
                Parts = only.Length == 0 ? BenchParts.All : only.Aggregate((a, b) => a | b),
                Repeats = AtLeastOne(parsed.GetValue(repeats), "--repeats"),
                Prompts = AtLeastOne(parsed.GetValue(prompts), "--prompts"),
            };
            var asText = !parsed.GetValue(json) && !parsed.GetValue(markdown);
            var report = new BenchReport { Added = line => { if (asText) host.Output.WriteLine(BenchReport.Text(line)); } };
            using var opened = await LoadingNotice.ShowAsync(host, options.Model, () => Task.Run(() => BenchModel.Open(options.Model, cancellationToken), cancellationToken));
            report.Header.Add(Describe(opened, options.Threads));
            if (asText) await host.Output.WriteLineAsync(report.Header[0]);
            await new EngineBench(options, opened, settings, report).RunAsync(cancellationToken);
            if (asText) foreach (var line in report.Header.Skip(1)) await host.Output.WriteLineAsync(line);
            if (parsed.GetValue(json)) await host.Output.WriteLineAsync(report.Json());
            if (parsed.GetValue(markdown)) await host.Output.WriteLineAsync(string.Join('\n', report.Header) + "\n\n" + report.Markdown());
            return ExitCode.Success;
        });
        return command;
    }

    public static string Describe(BenchModel model, int threads) =>
        $"{model.Name}: {Count(model.Size.AllWeights)} weights in matrices, {Count(model.Size.DecodeWeights)} used for a token; {threads} threads, .NET {Environment.Version}";

    private static string Count(long weights) => weights < 100_000_000 ? $"{weights / 1e6:N1} M" : $"{weights / 1e9:N2} B";

    private static int AtLeastOne(int value, string option) => value >= 1 ? value : throw new UsageException($"{option} must be at least 1, got {value}.");
}
