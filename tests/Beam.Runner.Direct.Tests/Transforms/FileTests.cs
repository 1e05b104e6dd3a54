using System.IO.Compression;
using System.Text.Json;
using Beam.IO;
using Beam.Runner.Direct.Tests.EndToEnd;
using Beam.Testing;

namespace Beam.Runner.Direct.Tests.Transforms;

/// <summary>Files in, files out.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class FileTests
{
    private static readonly string[] MultiProcessing = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"];

    private readonly string folder = Directory.CreateTempSubdirectory("beam-files-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    [TestCase(false)]
    [TestCase(true)]
    public async Task Lines_are_read_and_written_once(bool inProcesses)
    {
        var lines = Enumerable.Range(0, 3000).Select(i => $"line {i}").ToArray();
        File.WriteAllLines(In("a.txt"), lines[..1000]);
        Directory.CreateDirectory(In("sub"));
        File.WriteAllLines(In("sub/b.txt"), lines[1000..2000]);
        using (var gzip = new StreamWriter(new GZipStream(File.Create(In("sub/c.txt.gz")), CompressionLevel.Fastest)))
        {
            foreach (var line in lines[2000..]) gzip.WriteLine(line);
        }

        await RunAsync(
            pipeline => pipeline.ReadText(In("**/*.txt*"), new ReadTextOptions { DesiredBundleBytes = 777 }).WriteText(In("out/copy"), ".txt"),
            inProcesses ? MultiProcessing : []);

        var files = Outputs("out");
        Assert.That(files.SelectMany(File.ReadAllLines), Is.EquivalentTo(lines));
        Assert.That(files.Select(Path.GetFileName), Is.EqualTo(Enumerable.Range(0, files.Length).Select(i => $"copy-{i:D5}-of-{files.Length:D5}.txt")));
        Assert.That(Directory.EnumerateFileSystemEntries(In("out")), Has.Exactly(files.Length).Items, "nothing temporary is left");
    }

    [Test]
    public async Task A_number_of_shards_is_kept_with_header_and_footer_in_each()
    {
        await RunAsync(pipeline =>
        {
            var names = pipeline.Create(Enumerable.Range(0, 100).Select(i => $"{i}"))
                .WriteText(In("out/n"), ".csv.gz", numShards: 3, new WriteTextOptions { Header = "number", Footer = "end" });
            PAssert.That(names.Map(name => Path.GetFileName(name)))
                .ContainsInAnyOrder("n-00000-of-00003.csv.gz", "n-00001-of-00003.csv.gz", "n-00002-of-00003.csv.gz");
        });
        var contents = Outputs("out").Select(file =>
        {
            using var reader = new StreamReader(new GZipStream(File.OpenRead(file), CompressionMode.Decompress));
            return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }).ToArray();
        Assert.That(contents, Has.Length.EqualTo(3));
        Assert.That(contents, Has.All.Matches<string[]>(lines => lines![0] == "number" && lines[^1] == "end"));
        Assert.That(contents.SelectMany(lines => lines[1..^1]), Is.EquivalentTo(Enumerable.Range(0, 100).Select(i => $"{i}")));
    }

    [Test]
    public async Task An_empty_collection_is_an_empty_file()
    {
        await RunAsync(pipeline => pipeline.Create<string>().WriteText(In("none"), ".txt", options: new WriteTextOptions { Header = "h" }));
        Assert.That(File.ReadAllText(In("none-00000-of-00001.txt")), Is.EqualTo("h\n"));
    }

    [Test]
    public async Task A_second_run_replaces_the_files_of_the_first()
    {
        foreach (var word in new[] { "old", "new" })
            await RunAsync(pipeline => pipeline.Create(word).WriteText(In("out"), ".txt", numShards: 1, new WriteTextOptions { ShardNameTemplate = "" }));
        Assert.That(File.ReadAllText(In("out.txt")), Is.EqualTo("new\n"));
    }

    [Test]
    public async Task A_second_run_with_another_number_of_shards_leaves_none_of_the_first()
    {
        Directory.CreateDirectory(In("out"));
        string[] others = ["n-00000-of-00004.csv", "n-1-of-4.txt", "n-0000x-of-00004.txt", "m-00000-of-00004.txt", "n.txt"];
        foreach (var other in others) File.WriteAllText(In($"out/{other}"), "");
        foreach (var shards in new[] { 4, 2 })
            await RunAsync(pipeline => pipeline.Create(Enumerable.Range(0, 10).Select(i => $"{i}")).WriteText(In("out/n"), ".txt", numShards: shards));
        Assert.That(Outputs("out").Select(Path.GetFileName), Is.EquivalentTo(others.Concat(["n-00000-of-00002.txt", "n-00001-of-00002.txt"])));
        Assert.That(Outputs("out").SelectMany(File.ReadAllLines), Is.EquivalentTo(Enumerable.Range(0, 10).Select(i => $"{i}")));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_write_that_is_repeated_after_its_files_have_their_names_gives_the_same_files(bool inProcesses)
    {
        var (marker, output) = (In("failed"), In("out/n"));
        await RunAsync(
            pipeline =>
            {
                // What follows the last step of the write, in its bundle, fails the first time: that step is repeated.
                pipeline.Create("a", "b", "c").WriteText(output, ".txt", numShards: 2).Map(name =>
                {
                    if (File.Exists(marker)) return name;
                    File.WriteAllText(marker, "");
                    throw new InvalidOperationException("not yet");
                });
            },
            inProcesses ? MultiProcessing : []);
        Assert.That(Outputs("out").SelectMany(File.ReadAllLines), Is.EquivalentTo(new[] { "a", "b", "c" }));
        Assert.That(Directory.EnumerateFileSystemEntries(In("out")), Has.Exactly(2).Items, "nothing temporary is left");
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_pipeline_that_fails_leaves_nothing_temporary(bool inProcesses)
    {
        await Assert.ThatAsync(
            () => RunAsync(
                pipeline =>
                {
                    pipeline.GenerateSequence(0, 100).Map(n => $"{n}").WriteText(In("out/n"), ".txt", numShards: 3);
                    pipeline.GenerateSequence(0, 100).Map(n => $"{100 / (n - 50)}").WriteText(In("out/m"), ".txt");
                },
                inProcesses ? MultiProcessing : []),
            Throws.InstanceOf<PipelineException>());
        Assert.That(Directory.EnumerateDirectories(In("out")), Is.Empty);
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_pipeline_that_is_cancelled_leaves_nothing_temporary(bool inProcesses)
    {
        var pipeline = TestPipeline.Create(inProcesses ? MultiProcessing : ["--direct_num_workers=2"]);
        pipeline.GenerateSequence(0, 100).Reshuffle().MapAsync(async (n, token) =>
        {
            if (n == 0) await Task.Delay(Timeout.Infinite, token);
            return $"{n}";
        }).WriteText(In("out/n"), ".txt");
        await using var result = await pipeline.StartAsync();
        await Wait.UntilAsync(() => Directory.EnumerateDirectories(In("out")).Any());
        await result.CancelAsync();
        Assert.That(Directory.EnumerateDirectories(In("out")), Is.Empty);
    }

    [Test]
    public async Task A_pipeline_that_fails_leaves_the_output_as_it_was()
    {
        Directory.CreateDirectory(In("out"));
        File.WriteAllText(In("out/n-00000-of-00001.txt"), "before");
        await Assert.ThatAsync(() => RunAsync(pipeline => pipeline.Create(1, 2, 0).Map(n => $"{10 / n}").WriteText(In("out/n"), ".txt")), Throws.InstanceOf<PipelineException>());
        Assert.That(Outputs("out"), Is.EqualTo(new[] { In("out/n-00000-of-00001.txt") }));
        Assert.That(await File.ReadAllTextAsync(In("out/n-00000-of-00001.txt")), Is.EqualTo("before"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Records_are_read_and_written_as_json_lines(bool inProcesses)
    {
        Reading[] readings = [.. Enumerable.Range(0, 500).Select(i => new Reading($"sensor {i % 7}", i / 2.0, i % 3 == 0 ? null : ["a", $"\u00e9{i}"]))];
        await RunAsync(pipeline => pipeline.Create(readings).WriteJson(In("r")), inProcesses ? MultiProcessing : []);
        var first = Outputs(".").SelectMany(File.ReadAllLines).First();
        Assert.That(JsonDocument.Parse(first).RootElement.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "sensor_name", "value", "tags" }));
        await RunAsync(
            pipeline => PAssert.That(pipeline.ReadJson<Reading>(In("r-*.jsonl")).Map(r => JsonSerializer.Serialize(r)))
                .ContainsInAnyOrder(readings.Select(r => JsonSerializer.Serialize(r))),
            inProcesses ? MultiProcessing : []);
    }

    [Test]
    public async Task A_line_that_is_no_record_fails_naming_the_file_and_where()
    {
        File.WriteAllText(In("bad.jsonl"), "{\"sensor_name\":\"a\",\"value\":1,\"tags\":null}\n{\"sensor_name\":1}\n");
        var error = await Assert.ThrowsAsync<PipelineException>(() => RunAsync(pipeline => pipeline.ReadJson<Reading>(In("bad.jsonl"))));
        Assert.That(error!.ToString(), Does.Contain("bad.jsonl").And.Contains("byte 42"));
    }

    [Test]
    public Task Lines_that_are_no_records_are_dead_letters_where_wanted()
    {
        File.WriteAllText(In("bad.jsonl"), "{\"sensor_name\":\"a\",\"value\":1,\"tags\":null}\n\nnot json\n");
        return RunAsync(pipeline =>
        {
            var (good, failed) = pipeline.ReadJson<Reading>(In("bad.jsonl"), ExceptionHandling.DeadLetter);
            PAssert.That(good.Map(r => r.SensorName)).ContainsInAnyOrder("a");
            PAssert.That(failed.Map(f => $"{Path.GetFileName(f.Element.Path)} {f.Element.Offset} {f.Element.Text}")).ContainsInAnyOrder("bad.jsonl 43 not json");
        });
    }

    [Test]
    public Task Patterns_may_be_elements() => RunAsync(pipeline =>
    {
        File.WriteAllText(In("1.txt"), "a\n");
        File.WriteAllText(In("2.txt"), "b\n");
        PAssert.That(pipeline.Create(In("1.*"), In("2.txt")).ReadAllText()).ContainsInAnyOrder("a", "b");
    });

    private string In(string path) => Path.Combine(folder, path);

    private string[] Outputs(string path) => [.. Directory.GetFiles(In(path)).Order(StringComparer.Ordinal)];

    private static async Task RunAsync(Action<Pipeline> build, params string[] options)
    {
        var pipeline = TestPipeline.Create(options);
        build(pipeline);
        await using var result = await pipeline.RunAsync();
        Assert.That(result.State, Is.EqualTo(PipelineState.Done));
    }

    private sealed record Reading(string SensorName, double Value, string[]? Tags);
}
