#region using
using Beam;
#endregion
#region using test
using Beam.Testing;
#endregion

// Outside of Beam's namespaces, as a reader's program is: a snippet needs the usings that the cookbook names.
namespace Cookbook;

#region side input
internal sealed class KeepAbove(PCollectionView<double> limit) : DoFn<int, int>
{
    public override void ProcessElement(int element, ProcessContext<int> context)
    {
        if (element > context.SideInput(limit)) context.Output(element);
    }
}
#endregion

#region tagged outputs
internal sealed class ParseNumber(OutputTag<string> other) : DoFn<string, int>
{
    public override void ProcessElement(string element, ProcessContext<int> context)
    {
        if (int.TryParse(element, out var number)) context.Output(number);
        else context.Output(other, element);
    }
}
#endregion

#region options
public sealed class WordCountOptions : PipelineOptionsGroup
{
    [Option("input", "Text files; a pattern is fine.")]
    public string Input { get; set; } = "texts/*.txt";

    [Option("min_length", "The shortest word that counts.")]
    public int MinLength { get; set; } = 3;
}
#endregion

internal sealed record Click(string User, DateTimeOffset Time);

/// <summary>The cookbook's snippets that need no model, each run.</summary>
public sealed class TransformRecipes
{
    [Test]
    public async Task Words_are_counted()
    {
        using var folder = new RecipeFolder("texts/a.txt", "to be or", "texts/b.txt", "not to be");
        var (input, output) = (folder.PathOf("texts/*.txt"), folder.PathOf("counts"));
        var pipeline = Pipeline.Create();

        #region word count
        pipeline.ReadText(input)
            .FlatMap(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .CountPerElement()
            .Map(count => $"{count.Key}: {count.Value}")
            .WriteText(output);
        #endregion

        await using var result = await pipeline.RunAsync();
        Assert.That(folder.LinesOf("counts"), Is.EquivalentTo(["to: 2", "be: 2", "or: 1", "not: 1"]));
    }

    [Test]
    public async Task Words_are_grouped()
    {
        var pipeline = TestPipeline.Create();
        var words = pipeline.Create("or", "not", "be");

        #region group by key
        var byLength = words
            .WithKeys(word => word.Length)
            .GroupByKey()
            .Map(group => $"{group.Key}: {string.Join(' ', group.Value.Order())}");
        #endregion

        PAssert.That(byLength).ContainsInAnyOrder("2: be or", "3: not");
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task A_function_reads_a_side_input()
    {
        var pipeline = TestPipeline.Create();
        var numbers = pipeline.Create(1, 2, 9);

        #region side input applied
        var mean = numbers.Mean().AsSingleton();
        var above = numbers.ParallelDo(new KeepAbove(mean));
        var below = numbers.Filter((number, context) => number < context.SideInput(mean));
        #endregion

        PAssert.That(above).ContainsInAnyOrder(9);
        PAssert.That(below).ContainsInAnyOrder(1, 2);
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task A_transform_has_two_outputs()
    {
        var pipeline = TestPipeline.Create();
        var words = pipeline.Create("1", "two", "3");

        #region tagged outputs applied
        var (numbers, other) = (new OutputTag<int>("numbers"), new OutputTag<string>("other"));
        var outputs = words.Apply(ParDo.Of(new ParseNumber(other), numbers, other));
        var sum = outputs.Get(numbers).Sum();
        var rest = outputs.Get(other);
        #endregion

        PAssert.ThatSingleton(sum).IsEqualTo(4);
        PAssert.That(rest).ContainsInAnyOrder("two");
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task Elements_are_processed_asynchronously()
    {
        using var folder = new RecipeFolder("a.txt", "four", "b.txt", "fifth");
        var pipeline = TestPipeline.Create();
        var paths = pipeline.Create(folder.PathOf("a.txt"), folder.PathOf("b.txt"));

        #region map async
        var lengths = paths.MapAsync(
            async (path, cancellationToken) => (await File.ReadAllTextAsync(path, cancellationToken)).Length,
            maxConcurrency: 16);
        #endregion

        PAssert.That(lengths).ContainsInAnyOrder(4, 5);
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task Elements_are_counted_per_window()
    {
        var pipeline = TestPipeline.Create();
        var noon = new DateTimeOffset(2025, 1, 1, 12, 0, 0, TimeSpan.Zero);
        var clicks = pipeline.Create(new Click("ann", noon), new Click("ann", noon.AddSeconds(59)), new Click("ann", noon.AddSeconds(60)));

        #region windowing
        var clicksPerMinute = clicks
            .WithTimestamps(click => click.Time)
            .WindowInto(FixedWindows.Of(TimeSpan.FromMinutes(1)))
            .Map(click => click.User)
            .CountPerElement();
        #endregion

        PAssert.That(clicksPerMinute).ContainsInAnyOrder(KV.Of("ann", 2L), KV.Of("ann", 1L));
        await using var result = await pipeline.RunAsync();
    }

    [Test]
    public async Task A_program_has_options_of_its_own()
    {
        using var folder = new RecipeFolder("a.txt", "to be or not to be");
        var output = folder.PathOf("words");
        Assert.That(await Main([$"--input={folder.PathOf("a.txt")}", "--min_length=3"]), Is.Zero);
        Assert.That(folder.LinesOf("words"), Is.EqualTo(["not"]));

        async Task<int> Main(string[] args)
        {
            #region options used
            return await BeamApp.RunAsync<WordCountOptions>(args, (pipeline, options) =>
            {
                var minLength = options.MinLength;
                pipeline.ReadText(options.Input)
                    .FlatMap(line => line.Split(' '))
                    .Filter(word => word.Length >= minLength)
                    .WriteText(output);
            });
            #endregion
        }
    }

    #region test
    [Test]
    public async Task Counts_words()
    {
        var pipeline = TestPipeline.Create();
        var counts = pipeline.Create("a", "b", "a").CountPerElement();
        PAssert.That(counts).ContainsInAnyOrder(KV.Of("a", 2L), KV.Of("b", 1L));
        await using var result = await pipeline.RunAsync();
    }
    #endregion
}
