namespace Beam.Examples.Nexmark.Queries;

/// <summary>An auction with the most bids of a window.</summary>
public sealed record HotItem(long Time, long Auction, long Count);

/// <summary>Hot items: the auctions with the most bids in the last 10 s, every 5 s.</summary>
public static class Query5
{
    public static PCollection<HotItem> HotItems(this PCollection<Event> events)
    {
        var counts = events.Bids()
            .Map(bid => bid.Auction, "Auction")
            .WindowInto(SlidingWindows.Of(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(5)))
            .CountPerElement();
        var most = counts.Values().CombineGloballyAsView(new MaxFn<long>());
        return counts
            .Filter(most, (item, max) => item.Value == max, "HasMost")
            .Map((item, context) => new HotItem(context.Window.MaxTimestamp.Milliseconds, item.Key, item.Value), "HotItem");
    }
}
