namespace Beam.Examples.Nexmark.Queries;

/// <summary>How often somebody bid in a session.</summary>
public sealed record BidsPerSession(long Time, long Bidder, long Count);

/// <summary>User sessions: bids per bidder until nothing came for 10 s.</summary>
public static class Query11
{
    public static PCollection<BidsPerSession> UserSessions(this PCollection<Event> events) => events.Bids()
        .Map(bid => bid.Bidder, "Bidder")
        .WindowInto(Sessions.WithGap(TimeSpan.FromSeconds(10)))
        .CountPerElement()
        .Map((session, context) => new BidsPerSession(context.Window.MaxTimestamp.Milliseconds, session.Key, session.Value), "BidsPerSession");
}
