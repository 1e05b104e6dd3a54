using System.Xml.Linq;

// The build: dotnet tool restore && dotnet cake [--target=Build|Test|Pack|Bench] [--configuration=Release]
var target = Argument("target", "Test");
var configuration = Argument("configuration", "Debug");
var results = Argument("results", "artifacts/test-results");
var noBuild = HasArgument("no-build");

const string Solution = "Beam.slnx";

// More failed tests than that are no accident.
const int MostRunAgain = 3, MostTold = 40;

Task("Build")
    .WithCriteria(!noBuild)
    .Does(() => DotNetBuild(Solution, new DotNetBuildSettings { Configuration = configuration }));

Task("Test")
    .IsDependentOn("Build")
    .Does(() =>
    {
        EnsureDirectoryExists(results);
        CleanDirectory(results);

        // Every project runs, whatever failed before: the report is whole. One at a time, since some start processes of their own.
        var failures = new List<Failure>();
        var (passed, skipped, passedAgain) = (0, 0, 0);
        foreach (var project in GetFiles("tests/*/*.csproj").OrderBy(p => p.FullPath))
        {
            var run = RunTests(project, project.GetFilenameWithoutExtension().ToString());
            var failed = run.Failures;

            // A test that kills processes on a machine with neighbours may be unlucky once: it is run again, and the log says so.
            if (failed.Count is > 0 and <= MostRunAgain && failed.All(f => f.Test is not null))
            {
                var again = RunTests(project, $"{project.GetFilenameWithoutExtension()}.again", string.Join('|', failed.Select(f => $"FullyQualifiedName~{f.Test}").Distinct()));
                if (again.IsGreen)
                {
                    foreach (var failure in failed) Tell("PASSED ONLY WHEN RUN AGAIN", failure);
                    passedAgain += failed.Count;
                    failed = [];
                }
            }

            passed += run.Passed;
            skipped += run.Skipped;
            failures.AddRange(failed);
        }

        // The errors in one place, at the end: of a long log often only that is kept.
        foreach (var failure in failures.Take(MostTold)) Tell("FAILED", failure);
        if (failures.Count > MostTold) Console.WriteLine($"\nand {failures.Count - MostTold} more");
        var summary = $"{passed + passedAgain} passed, {failures.Count} failed{(skipped > 0 ? $", {skipped} skipped" : "")}";
        System.IO.File.WriteAllText(results + "/summary.txt", summary + "\n");
        Console.WriteLine($"\n{summary}");
        if (failures.Count > 0) throw new CakeException("Tests failed.");
    });

Task("Pack")
    .Does(() => DotNetPack(Solution, new DotNetPackSettings { Configuration = "Release", OutputDirectory = "artifacts/packages" }));

Task("Bench")
    .Does(() => DotNetRun("bench/Beam.Benchmarks", new ProcessArgumentBuilder(), new DotNetRunSettings { Configuration = "Release" }));

RunTarget(target);

/// <summary>Runs a project's tests, or some of them, and reads what came out.</summary>
TestRun RunTests(FilePath project, string name, string filter = null)
{
    var green = true;
    try
    {
        DotNetTest(project.FullPath, new DotNetTestSettings
        {
            Configuration = configuration,
            NoBuild = true,
            ResultsDirectory = results,
            Filter = filter,
            // What hosts say on the way is in the .trx.
            Loggers = [$"trx;LogFileName={name}.trx", "console;verbosity=quiet"],
        });
    }
    catch (CakeException)
    {
        green = false;
    }

    var file = $"{results}/{name}.trx";
    if (!FileExists(file)) return new TestRun(0, 0, false, [new Failure(name, null, "The run left no results.")]);
    XNamespace trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
    var run = XDocument.Load(file);
    var classes = run.Descendants(trx + "UnitTest").ToDictionary(t => (string)t.Attribute("id"), t => (string)t.Element(trx + "TestMethod")?.Attribute("className"));
    var failures = new List<Failure>();
    foreach (var result in run.Descendants(trx + "UnitTestResult").Where(r => (string)r.Attribute("outcome") is not ("Passed" or "NotExecuted")))
    {
        var error = result.Descendants(trx + "ErrorInfo").FirstOrDefault();
        var test = $"{classes[(string)result.Attribute("testId")]}.{(string)result.Attribute("testName")}";
        failures.Add(new Failure($"{name}: {test}", test.Split('(')[0], $"{error?.Element(trx + "Message")?.Value}\n{error?.Element(trx + "StackTrace")?.Value}"));
    }

    // What belongs to no test, such as the end of the process that ran them.
    foreach (var info in run.Descendants(trx + "RunInfo").Where(i => (string)i.Attribute("outcome") == "Error"))
        failures.Add(new Failure($"{name}: the run itself", null, info.Element(trx + "Text")?.Value ?? ""));
    if (!green && failures.Count == 0) failures.Add(new Failure($"{name}: the run itself", null, "It failed, and no test did."));

    // The total is what was discovered; what was not executed was skipped.
    var counters = run.Descendants(trx + "Counters").Single();
    return new TestRun((int)counters.Attribute("passed"), (int)counters.Attribute("total") - (int)counters.Attribute("executed"), green, failures);
}

/// <summary>Prints a failed test with the beginning of its error.</summary>
void Tell(string what, Failure failure)
{
    string[] ofTheFramework = ["at NUnit.Framework.", "at System.Threading.ExecutionContext.", "--- End of stack trace"];
    Console.WriteLine($"\n{what} {failure.Name}");
    var lines = failure.Error.Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0 && !ofTheFramework.Any(l.TrimStart().StartsWith));
    foreach (var line in lines.Take(15)) Console.WriteLine(line);
}

/// <param name="Test">Its full name without arguments; null for a failure of the run itself.</param>
sealed record Failure(string Name, string Test, string Error);

sealed record TestRun(int Passed, int Skipped, bool IsGreen, List<Failure> Failures);
