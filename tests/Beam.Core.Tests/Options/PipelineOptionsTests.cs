using NUnit.Framework;

namespace Beam.Core.Tests.Options;

public sealed class PipelineOptionsTests
{
    private static PipelineOptions Parse(params string[] args) => PipelineOptions.Parse(args, typeof(SampleOptions));

    [Test]
    public void Options_are_read_in_every_form()
    {
        var options = Parse("--direct_threads=3", "--mode", "multi_processing", "--fast", "--no_careful", "--label=a", "--label", "b", "--wait=1.5").As<SampleOptions>();
        Assert.Multiple(() =>
        {
            Assert.That(options.Threads, Is.EqualTo(3));
            Assert.That(options.Mode, Is.EqualTo(SampleMode.MultiProcessing));
            Assert.That(options.Fast, Is.True);
            Assert.That(options.Careful, Is.False);
            Assert.That(options.Labels, Is.EqualTo(new[] { "a", "b" }));
            Assert.That(options.Wait, Is.EqualTo(TimeSpan.FromSeconds(1.5)));
            Assert.That(options.Name, Is.Null);
        });
    }

    [Test]
    public void Dashes_count_as_underscores_and_the_last_value_wins() =>
        Assert.That(Parse("--direct-threads=3", "--direct_threads=4").As<SampleOptions>().Threads, Is.EqualTo(4));

    [TestCase("--direct_thread=3", "There is no option --direct_thread; did you mean --direct_threads?")]
    [TestCase("--threads=3", "There is no option --threads; did you mean --direct_threads?")]
    [TestCase("--thrads=3", "There is no option --thrads; did you mean --direct_threads?")]
    [TestCase("--something_else=3", "There is no option --something_else; --help lists those that exist.")]
    [TestCase("--mode=fast", "The option --mode is 'fast'; it must be one of in_memory, multi_processing.")]
    [TestCase("--direct_threads=many", "The option --direct_threads is 'many', which is not a whole number in range.")]
    [TestCase("--direct_threads", "The option --direct_threads needs a value: --direct_threads=…")]
    [TestCase("input.txt", "'input.txt' is not an option; options look like --name=value.")]
    public void A_wrong_option_is_named_with_the_remedy(string arg, string message) =>
        Assert.That(() => Parse(arg), Throws.TypeOf<BeamException>().With.Message.EqualTo(message));

    [Test]
    public void Options_travel_to_workers()
    {
        var options = Parse("--mode=multi_processing", "--label=a", "--label=b");
        options.As<SampleOptions>().Threads = 9;
        var copy = PipelineOptions.FromStruct(options.ToStruct()).As<SampleOptions>();
        Assert.That((copy.Mode, copy.Threads, string.Join(",", copy.Labels)), Is.EqualTo((SampleMode.MultiProcessing, 9, "a,b")));
    }

    [Test]
    public void Help_shows_what_options_are_unless_given() => Assert.That(
        PipelineOptions.Help(["--mode=multi_processing"], typeof(SampleOptions)),
        Does.Contain("--mode").And.Contains("Mode. [multi_processing]").And.Contains("Threads. [1]").And.Contains("--help"));

    [Test]
    public void Every_option_of_the_sdk_has_a_default_that_can_be_read() => Assert.That(Parse().As<StandardOptions>().Runner, Is.EqualTo("DirectRunner"));

    [Test]
    public void Beams_standard_options_are_known()
    {
        var options = Parse(
            "--streaming", "--temp_location=/tmp/x", "--job_endpoint=localhost:8099", "--artifact_endpoint", "localhost:8098", "--environment_type=LOOPBACK",
            "--environment_config={}", "--sdk_worker_parallelism=2");
        Assert.That((options.As<StandardOptions>().Streaming, options.As<StandardOptions>().TempLocation), Is.EqualTo((true, "/tmp/x")));
        Assert.That(options.As<PortableOptions>(), Has.Property("JobEndpoint").EqualTo("localhost:8099").And.Property("ArtifactEndpoint").EqualTo("localhost:8098")
            .And.Property("EnvironmentType").EqualTo("LOOPBACK").And.Property("EnvironmentConfig").EqualTo("{}").And.Property("SdkWorkerParallelism").EqualTo(2));
    }

    [Test]
    public void What_a_runner_does_not_do_is_refused_where_it_is_asked_for()
    {
        var options = Parse("--environment_type=DOCKER", "--no_streaming");
        Assert.That(() => options.Refuse<PortableOptions>("SomeRunner"),
            Throws.TypeOf<BeamException>().With.Message.EqualTo("--environment_type is not supported by SomeRunner yet; leave it out."));
        Assert.That(() => options.Refuse<StandardOptions>("SomeRunner", "streaming"), Throws.Nothing);
        options.As<StandardOptions>().Streaming = true;
        Assert.That(() => options.Refuse<StandardOptions>("SomeRunner", "streaming"), Throws.TypeOf<BeamException>().With.Message.Contains("--streaming"));
    }

    public enum SampleMode { InMemory, MultiProcessing }

    public sealed class SampleOptions : PipelineOptionsGroup
    {
        [Option("direct-threads", "Threads.")]
        public int Threads { get; set; } = 1;

        [Option("mode", "Mode.")]
        public SampleMode Mode { get; set; }

        [Option("fast", "Fast.")]
        public bool Fast { get; set; }

        [Option("careful", "Careful.")]
        public bool Careful { get; set; } = true;

        [Option("label", "Labels.")]
        public IReadOnlyList<string> Labels { get; set; } = [];

        [Option("wait", "Seconds.")]
        public TimeSpan Wait { get; set; }

        [Option("name", "Name.")]
        public string? Name { get; set; }
    }
}
