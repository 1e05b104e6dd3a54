namespace Beam.Examples.Nexmark.Queries;

/// <summary>A bid's auction and price.</summary>
public sealed record AuctionPrice(long Auction, long Price);

/// <summary>Selection: the bids on some of the auctions.</summary>
public static class Query2
{
    public static PCollection<AuctionPrice> Selection(this PCollection<Event> events) => events.Bids()
        .Filter(bid => bid.Auction % 37 == 0, "IsSelected")
        .Map(bid => new AuctionPrice(bid.Auction, bid.Price), "AuctionPrice");
}
