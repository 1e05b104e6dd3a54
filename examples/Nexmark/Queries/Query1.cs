namespace Beam.Examples.Nexmark.Queries;

/// <summary>Currency conversion: every bid with its price in euros.</summary>
public static class Query1
{
    public static PCollection<Bid> CurrencyConversion(this PCollection<Event> events) =>
        events.Bids().Map(bid => bid with { Price = bid.Price * 89 / 100 }, "ToEuros");
}
