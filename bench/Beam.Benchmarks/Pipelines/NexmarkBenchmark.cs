using System.IO.Compression;
using System.Text.Json.Nodes;
using Beam.Examples.Nexmark;
using Beam.Examples.Nexmark.Queries;

namespace Beam.Benchmarks.Pipelines;

/// <summary>The Nexmark queries over a file of events, parsing included, in both modes.</summary>
internal sealed class NexmarkBenchmark : IBenchmark
{
    public string Verb => "nexmark";

    public string Group => "pipelines";

    public string Description => "Events per second of each Nexmark query, read from JSON lines, in both modes.";

    public async Task RunAsync(BenchmarkSettings settings)
    {
        var folder = Directory.CreateTempSubdirectory("beam-nexmark-");
        try
        {
            var file = Path.Combine(folder.FullName, "events.jsonl");
            WriteEvents(file, settings.Events);
            (string Name, Action<PCollection<Event>> Build)[] queries =
            [
                ("query 0 (pass-through)", events => events.Map(e => e.Timestamp)),
                ("query 1", events => events.CurrencyConversion()),
                ("query 2", events => events.Selection()),
                ("query 5", events => events.HotItems()),
                ("query 7", events => events.HighestBids()),
                ("query 8", events => events.NewSellers()),
                ("query 11", events => events.UserSessions()),
            ];
            foreach (var mode in (string[])["in_memory", "multi_processing"])
            {
                foreach (var (name, build) in queries)
                {
                    await Measurement.RateAsync($"{mode}: Nexmark {name}", "events", settings.Events, settings, () =>
                        PipelineBenchmark.RunAsync(mode, settings, (pipeline, _) => build(pipeline.ReadEvents(file))));
                }
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Repeats the events that come with the example, each time later and with other ids.</summary>
    private static void WriteEvents(string file, int count)
    {
        var source = Path.Combine(AppContext.BaseDirectory, "data", "events.jsonl.gz");
        using var reader = new StreamReader(new GZipStream(File.OpenRead(source), CompressionMode.Decompress));
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        using var writer = new StreamWriter(file);
        for (var i = 0; i < count; i++)
        {
            var round = i / lines.Length;
            if (round == 0)
            {
                writer.WriteLine(lines[i]);
                continue;
            }

            var json = JsonNode.Parse(lines[i % lines.Length])!.AsObject();
            Shift(json, round * 100_000L, "timestamp");
            if (json["person"] is JsonObject person) Shift(Shift(person, round * 100_000L, "dateTime"), round * 100_000L, "id");
            if (json["auction"] is JsonObject auction) Shift(Shift(auction, round * 100_000L, "dateTime", "expires"), round * 100_000L, "id", "seller");
            if (json["bid"] is JsonObject bid) Shift(Shift(bid, round * 100_000L, "dateTime"), round * 100_000L, "auction", "bidder");
            writer.WriteLine(json.ToJsonString());
        }
    }

    private static JsonObject Shift(JsonObject json, long by, params string[] names)
    {
        foreach (var name in names) json[name] = json[name]!.GetValue<long>() + by;
        return json;
    }
}
