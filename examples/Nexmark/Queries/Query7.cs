namespace Beam.Examples.Nexmark.Queries;

/// <summary>Highest bids: those with the highest price of each 10 s.</summary>
public static class Query7
{
    public static PCollection<Bid> HighestBids(this PCollection<Event> events)
    {
        var bids = events.Bids().WindowInto(FixedWindows.Of(TimeSpan.FromSeconds(10)));
        var highest = bids.Map(bid => bid.Price, "Price").CombineGloballyAsView(new MaxFn<long>());
        return bids.Filter(highest, (bid, price) => bid.Price == price, "IsHighest");
    }
}
