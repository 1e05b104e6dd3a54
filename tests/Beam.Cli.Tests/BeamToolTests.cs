using Beam.Cli.Hosting;

namespace Beam.Cli.Tests;

public sealed class BeamToolTests
{
    [Test]
    public async Task The_version_is_one_line()
    {
        var result = await Tool.RunAsync("--version");
        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Output.Trim(), Does.Match(@"^\d+\.\d+\.\d+\S*$"));
    }

    [Test]
    public async Task Help_lists_the_commands()
    {
        var result = await Tool.RunAsync("engine", "--help");
        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Output, Does.Contain("chat"));
    }

    [TestCase("engine", "chatt")]
    [TestCase("engine", "chat")]
    [TestCase("engine", "chat", "model", "--no-such-option")]
    public async Task A_wrong_command_line_is_one_line_and_exit_code_2(params string[] args)
    {
        var result = await Tool.RunAsync(args);
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Usage));
        Assert.That(result.Error.TrimEnd().Split('\n'), Has.Length.EqualTo(1));
        Assert.That(result.Error, Does.StartWith("beam: ").And.Contains("--help"));
        Assert.That(result.Output, Is.Empty);
    }

    [TestCase("There is no command 'chatt'; did you mean 'chat'? See 'beam engine --help'.", "engine", "chatt")]
    [TestCase("There is no command 'serve'; did you mean 'beam engine serve'? See 'beam --help'.", "serve", "model")]
    [TestCase("There is no command 'fly'; there are: chat, serve, bench, export-gguf. See 'beam engine --help'.", "engine", "fly")]
    [TestCase("A command is missing: chat, serve, bench, export-gguf. See 'beam engine --help'.", "engine")]
    [TestCase("A command is missing: engine. See 'beam --help'.")]
    [TestCase("Unknown argument '--max-modl-len'. Did you mean '--max-model-len'? See 'beam engine chat --help'.", "engine", "chat", "model", "--max-modl-len=5")]
    [TestCase("Unknown argument '--foo'. See 'beam engine bench --help'.", "engine", "bench", "model", "--foo")]
    [TestCase("'again' is one argument too many. See 'beam engine chat --help'.", "engine", "chat", "model", "again")]
    [TestCase("Required argument 'MODEL' missing for command: 'serve'. See 'beam engine serve --help'.", "engine", "serve")]
    [TestCase("--only must be one of speed, skewed, start, got foo. See 'beam engine bench --help'.", "engine", "bench", "model", "--only", "foo")]
    [TestCase("--type must be one of f32, f16, bf16, q8_0, got q4_0. See 'beam engine export-gguf --help'.", "engine", "export-gguf", "a", "b", "--type", "q4_0")]
    public async Task A_wrong_command_line_says_what_would_be_right(string message, params string[] args)
    {
        var result = await Tool.RunAsync(args);
        Assert.That((result.ExitCode, result.Error.TrimEnd()), Is.EqualTo((ExitCode.Usage, $"beam: {message}")));
    }

    [TestCase("chat", "--temperature", "--served-model-name")]
    [TestCase("bench", "--only <speed|skewed|start>", "--lora-modules")]
    [TestCase("serve", "--port", "--config")]
    public async Task Help_begins_with_the_commands_own_options_and_leaves_out_what_makes_no_sense(string command, string own, string absent)
    {
        var help = (await Tool.RunAsync("engine", command, "--help")).Output;
        Assert.That(help.IndexOf(own, StringComparison.Ordinal), Is.InRange(0, help.IndexOf("--dtype", StringComparison.Ordinal)));
        Assert.That(help, Does.Not.Contain(absent));
        Assert.That(help, Does.Match(@"--block-size.*\[default: 16\]").And.Match(@"--dtype.*\[default: auto\]"));
    }

    [TestCase("bench", "random:SHAPE")]
    [TestCase("export-gguf", "[default: bf16]")]
    [TestCase("chat", "/reset forgets")]
    public async Task Help_says(string command, string what) => Assert.That((await Tool.RunAsync("engine", command, "--help")).Output, Does.Contain(what));

    [TestCase("--max-model-len", "many")]
    [TestCase("--dtype", "int1")]
    public async Task A_wrong_value_is_one_line_that_names_it_and_exit_code_2(string option, string value)
    {
        var result = await Tool.RunAsync("engine", "chat", "model", option, value);
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Usage));
        Assert.That(result.Error.TrimEnd().Split('\n'), Has.Length.EqualTo(1));
        Assert.That(result.Error, Does.StartWith("beam: ").And.Contains(value));
    }

    [Test]
    public async Task A_model_that_is_not_there_is_one_line_and_exit_code_1()
    {
        var result = await Tool.RunAsync("engine", "chat", "/no/such/model");
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Failure));
        Assert.That(result.Error, Does.StartWith("beam: ").And.Contains("/no/such/model"));
        Assert.That(result.Error.TrimEnd().Split('\n'), Has.Length.EqualTo(1));
    }
}
