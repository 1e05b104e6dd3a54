using Beam;
using Beam.Examples.Nexmark;
using Beam.Examples.Nexmark.Queries;

var output = "";
return await BeamApp.RunAsync<NexmarkOptions>(
    args,
    (pipeline, options) =>
    {
        var events = pipeline.ReadEvents(options.Input);
        output = $"{options.Output}-query{options.Query}";
        _ = options.Query switch
        {
            1 => events.CurrencyConversion().WriteJson(output),
            2 => events.Selection().WriteJson(output),
            5 => events.HotItems().WriteJson(output),
            7 => events.HighestBids().WriteJson(output),
            8 => events.NewSellers().WriteJson(output),
            11 => events.UserSessions().WriteJson(output),
            _ => throw new BeamException($"There is no query {options.Query} here; --query is 1, 2, 5, 7, 8 or 11."),
        };
    },
    (_, _) => Console.WriteLine($"The results are in {output}-*-of-*.jsonl"));
