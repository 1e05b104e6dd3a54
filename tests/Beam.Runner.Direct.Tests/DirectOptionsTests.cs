namespace Beam.Runner.Direct.Tests;

public sealed class DirectOptionsTests
{
    [TestCase("in_memory", 0, 0, 8, 1, 8)]
    [TestCase("in_memory", 3, 0, 8, 1, 3)]
    [TestCase("multi_processing", 0, 0, 8, 8, 1)]
    [TestCase("multi_processing", 2, 0, 8, 2, 4)]
    [TestCase("multi_processing", 4, 0, 2, 4, 1)]
    [TestCase("multi_processing", 2, 7, 8, 2, 7)]
    public void Workers_and_bundles_follow_the_options_and_the_cores(string mode, int numWorkers, int bundles, int cores, int expectedWorkers, int expectedBundles)
    {
        var options = PipelineOptions.Parse(
            [$"--direct_running_mode={mode}", $"--direct_num_workers={numWorkers}", $"--direct_bundles_per_worker={bundles}"], typeof(DirectOptions));
        var pool = DirectRunner.Settings(options.As<DirectOptions>(), cores).Workers;
        Assert.That((pool.Workers, pool.BundlesPerWorker), Is.EqualTo((expectedWorkers, expectedBundles)));
    }

    [TestCase("--num_workers")]
    [TestCase("--nmu_workers")]
    [TestCase("--direct_num_worker")]
    public void The_number_of_workers_is_guessed_from_what_is_like_it(string arg) =>
        Assert.That(() => PipelineOptions.Parse([$"{arg}=2"], typeof(DirectOptions)), Throws.TypeOf<BeamException>().With.Message.Contains("did you mean --direct_num_workers?"));

    [TestCase("--streaming")]
    [TestCase("--job_endpoint=localhost:8099")]
    [TestCase("--environment_type=DOCKER")]
    public async Task Options_of_other_runners_are_refused_in_one_line(string arg)
    {
        var pipeline = Pipeline.Create([arg]);
        pipeline.Create(1);
        var error = await Assert.ThrowsAsync<BeamException>(() => pipeline.RunAsync());
        Assert.That(error!.Message, Does.StartWith(arg.Split('=')[0]).And.Contains("DirectRunner").And.Not.Contains("\n"));
    }

    [Test]
    public void Numbers_that_make_no_sense_are_refused_by_the_options_name()
    {
        Assert.That(() => DirectRunner.Settings(new DirectOptions { NumWorkers = -1 }), Throws.TypeOf<BeamException>().With.Message.Contains("--direct_num_workers"));
        Assert.That(() => DirectRunner.Settings(new DirectOptions { BundlesPerWorker = 5000 }), Throws.TypeOf<BeamException>().With.Message.Contains("--direct_bundles_per_worker"));
    }

    [Test]
    public async Task The_temp_location_holds_the_job_while_it_runs_and_nothing_afterwards()
    {
        var root = Directory.CreateTempSubdirectory("temp-location-tests-").FullName;
        try
        {
            var location = Path.Combine(root, "made", "when-needed");
            var p = Pipeline.Create([$"--temp_location={location}"]);
            var seen = Path.Combine(root, "seen");
            p.Create(1).Map(_ =>
            {
                File.WriteAllLines(seen, Directory.GetDirectories(location));
                return 0;
            });
            await p.RunAsync();
            Assert.That(await File.ReadAllLinesAsync(seen), Has.Length.EqualTo(1));
            Assert.That(Directory.EnumerateFileSystemEntries(location), Is.Empty);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [TestCase("gs://bucket/temp")]
    [TestCase("/dev/null/temp")]
    public void A_temp_location_that_is_no_folder_here_is_refused(string location)
    {
        var p = Pipeline.Create([$"--temp_location={location}"]);
        Assert.That(() => DirectRunner.TempRoot(p.Options), Throws.TypeOf<BeamException>().With.Message.StartsWith($"--temp_location is '{location}'"));
    }
}
