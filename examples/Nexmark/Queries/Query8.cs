namespace Beam.Examples.Nexmark.Queries;

/// <summary>An auction of somebody who registered in the same window.</summary>
public sealed record NewSeller(long Time, long Person, string Name, long Reserve);

/// <summary>Monitor new users: persons who opened an auction in the 10 s in which they registered.</summary>
public static class Query8
{
    public static PCollection<NewSeller> NewSellers(this PCollection<Event> events)
    {
        var windows = FixedWindows.Of(TimeSpan.FromSeconds(10));
        var persons = events.Persons().WindowInto(windows).WithKeys(person => person.Id);
        var auctions = events.Auctions().WindowInto(windows).WithKeys(auction => auction.Seller);
        return persons.CoGroupByKey(auctions).FlatMap(
            (joined, context) =>
                from person in joined.Value.First
                from auction in joined.Value.Second
                select new NewSeller(context.Window.MaxTimestamp.Milliseconds, person.Id, person.Name, auction.Reserve),
            "NewSellers");
    }
}
