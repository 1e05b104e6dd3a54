using System.Text.Json;

namespace Beam.Examples.Nexmark;

/// <summary>Something that happened on the site: exactly one of the three.</summary>
public sealed record Event(long Timestamp, Person? Person = null, Auction? Auction = null, Bid? Bid = null);

/// <summary>Somebody registered.</summary>
public sealed record Person(long Id, string Name, string EmailAddress, string CreditCard, string City, string State, long DateTime, string Extra);

/// <summary>An auction was opened.</summary>
public sealed record Auction(
    long Id, string ItemName, string Description, long InitialBid, long Reserve, long DateTime, long Expires, long Seller, long Category, string Extra);

/// <summary>A bid was made.</summary>
public sealed record Bid(long Auction, long Bidder, long Price, long DateTime, string Extra);

/// <summary>The stream of events.</summary>
public static class NexmarkEvents
{
    /// <summary>Events from files with one JSON object a line, each at its time.</summary>
    public static PCollection<Event> ReadEvents(this Pipeline pipeline, string pattern) => pipeline
        .ReadJson<Event>(pattern, json: () => new JsonSerializerOptions(JsonSerializerDefaults.Web))
        .WithTimestamps(e => Timestamp.FromMilliseconds(e.Timestamp));

    public static PCollection<Person> Persons(this PCollection<Event> events) => events.Filter(e => e.Person is not null, "IsPerson").Map(e => e.Person!, "Person");

    public static PCollection<Auction> Auctions(this PCollection<Event> events) => events.Filter(e => e.Auction is not null, "IsAuction").Map(e => e.Auction!, "Auction");

    public static PCollection<Bid> Bids(this PCollection<Event> events) => events.Filter(e => e.Bid is not null, "IsBid").Map(e => e.Bid!, "Bid");
}
