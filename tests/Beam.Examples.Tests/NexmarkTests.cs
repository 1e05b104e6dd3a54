using System.Text.Json;
using Beam.Examples.Nexmark;
using Beam.Examples.Nexmark.Queries;
using Beam.Testing;

namespace Beam.Examples.Tests;

/// <summary>The queries give what Beam's Java SDK computed, in both modes and with any number of workers.</summary>
public sealed class NexmarkTests
{
    private static readonly string Data = Path.Combine(TestContext.CurrentContext.TestDirectory, "data");

    private static readonly JsonElement Expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(Data, "expected.json"))).RootElement;

    [TestCase("in_memory", 1)]
    [TestCase("in_memory", 3)]
    [TestCase("multi_processing", 1)]
    [TestCase("multi_processing", 2)]
    [TestCase("multi_processing", 3)]
    public async Task All_queries_give_the_expected_results(string mode, int workers)
    {
        var pipeline = TestPipeline.Create("--direct_running_mode", mode, "--direct_num_workers", $"{workers}");
        var events = pipeline.ReadEvents(Path.Combine(Data, "events.jsonl.gz"));

        var euros = events.CurrencyConversion();
        PAssert.ThatSingleton(euros.Count()).IsEqualTo(Expected.GetProperty("query1").GetProperty("count").GetInt64());
        PAssert.ThatSingleton(euros.Map(bid => bid.Price).Sum()).IsEqualTo(Expected.GetProperty("query1").GetProperty("sum_of_prices").GetInt64());
        Check("query2", events.Selection().Map(r => Row(r.Auction, r.Price)));
        Check("query5", events.HotItems().Map(r => Row(r.Time, r.Auction, r.Count)));
        Check("query7", events.HighestBids().Map(r => Row(r.Auction, r.Bidder, r.Price, r.DateTime)));
        Check("query8", events.NewSellers().Map(r => Row(r.Time, r.Person, r.Name, r.Reserve)));
        Check("query11", events.UserSessions().Map(r => Row(r.Time, r.Bidder, r.Count)));

        await using var result = await pipeline.RunAsync();
        Assert.That(result.State, Is.EqualTo(PipelineState.Done));
    }

    private static void Check(string query, PCollection<string> rows) =>
        PAssert.That(rows).ContainsInAnyOrder(Expected.GetProperty(query).EnumerateArray().Select(row => JsonSerializer.Serialize(row)));

    private static string Row(params object[] values) => JsonSerializer.Serialize(values);
}
