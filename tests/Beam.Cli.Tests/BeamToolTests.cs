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
