using Beam.Harness;
using Beam.Testing;
using NUnit.Framework;

namespace Beam.Core.Tests.Errors;

public sealed class ErrorLineTests
{
    private const string Report =
        "System.FormatException: 'x' is no number [while running 'Parse']\n" +
        "   at System.Number.Throw(String s) in /_/src/Number.cs:line 9\n" +
        "   at Program.<>c.<Main>b__0(String s) in /home/me/in here/Program.cs:line 16\n" +
        "   at Beam.MapFn`2.ProcessElement(TInput element) in /src/Map.cs:line 50\n" +
        "   at Shop.Other() in /home/me/Other.cs:line 1\n";

    [Test]
    public void An_error_of_user_code_names_its_first_line_of_source_and_how_to_see_more() =>
        Assert.That(ErrorLine.Of(Failed(Report)), Is.EqualTo(
            "System.FormatException: 'x' is no number [while running 'Parse'] at /home/me/in here/Program.cs:line 16 (--verbose prints the stack trace)"));

    [Test]
    public void An_error_that_is_made_to_be_read_is_its_message()
    {
        Assert.That(ErrorLine.Of(new BeamException("Name\nanother folder.")), Is.EqualTo("Name another folder."));
        Assert.That(ErrorLine.Of(Failed(FailureReport.Describe(new BeamException("Name another folder."), "Read"))), Is.EqualTo("Name another folder. [while running 'Read']"));
    }

    [Test]
    public void The_whole_of_a_failed_job_says_the_message_once()
    {
        var error = Failed(FailureReport.Describe(Thrown(new InvalidOperationException("told once")), "Map"));
        Assert.That(error.ToString().Split("told once"), Has.Length.EqualTo(2));
        Assert.That(error.ToString(), Does.StartWith("Beam.PipelineException: System.InvalidOperationException: told once [while running 'Map']\n   at ").And.Contains(nameof(Thrown)));
    }

    [Test]
    public void Reports_say_which_errors_only_come_again()
    {
        Assert.That(Report, Does.Not.Match("not tried again"));
        Assert.That(FailureReport.IsDeterministic(FailureReport.Describe(new PAssertException("missing: [1]"), "Check")), Is.True);
        Assert.That(FailureReport.IsDeterministic(FailureReport.Describe(new BeamException("no such file"), null)), Is.True);
        Assert.That(FailureReport.IsDeterministic(FailureReport.Describe(new IOException("This error comes whenever the bundle is tried; it is not tried again."), null)), Is.False);
        Assert.That(FailureReport.IsDeterministic(""), Is.False);
    }

    private static PipelineException Failed(string report) => new(report.Split('\n')[0], report);

    private static Exception Thrown(Exception error)
    {
        try
        {
            throw error;
        }
        catch (Exception e)
        {
            return e;
        }
    }
}
