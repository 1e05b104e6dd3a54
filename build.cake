using System.Xml.Linq;

// The build: dotnet tool restore && dotnet cake [--target=Build|Test|Pack|Bench] [--configuration=Release]
var target = Argument("target", "Test");
var configuration = Argument("configuration", "Debug");
var results = Argument("results", "artifacts/test-results");
var noBuild = HasArgument("no-build");

const string Solution = "Beam.slnx";

Task("Build")
    .WithCriteria(!noBuild)
    .Does(() => DotNetBuild(Solution, new DotNetBuildSettings { Configuration = configuration }));

Task("Test")
    .IsDependentOn("Build")
    .Does(() =>
    {
        EnsureDirectoryExists(results);
        DeleteFiles(results + "/*.trx");

        // Every project runs, whatever failed before: the report is whole. One at a time, since some start processes of their own.
        var failed = new List<string>();
        foreach (var project in GetFiles("tests/*/*.csproj").OrderBy(p => p.FullPath))
        {
            try
            {
                DotNetTest(project.FullPath, new DotNetTestSettings
                {
                    Configuration = configuration,
                    NoBuild = true,
                    ResultsDirectory = results,
                    // What failed is told at the end, and what hosts say on the way is in the .trx.
                    Loggers = [$"trx;LogFileName={project.GetFilenameWithoutExtension()}.trx", "console;verbosity=quiet"],
                });
            }
            catch (CakeException)
            {
                failed.Add(project.GetFilenameWithoutExtension().ToString());
            }
        }

        TellFailures();
        if (failed.Count > 0) throw new CakeException("Tests failed in " + string.Join(", ", failed));
    });

Task("Pack")
    .Does(() => DotNetPack(Solution, new DotNetPackSettings { Configuration = "Release", OutputDirectory = "artifacts/packages" }));

Task("Bench")
    .Does(() => DotNetRun("bench/Beam.Benchmarks", new ProcessArgumentBuilder(), new DotNetRunSettings { Configuration = "Release" }));

RunTarget(target);

/// <summary>Each failed test with the beginning of its error, in one place: of a long log often only the end is kept.</summary>
void TellFailures()
{
    const int MostTests = 40, MostLines = 15;
    string[] ofTheFramework = ["at NUnit.Framework.", "at System.Threading.ExecutionContext.", "--- End of stack trace"];
    XNamespace trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
    var failures = new List<(string Name, string Error)>();
    foreach (var file in GetFiles(results + "/*.trx").OrderBy(f => f.FullPath))
    {
        var project = file.GetFilenameWithoutExtension();
        var run = XDocument.Load(file.FullPath);
        var classes = run.Descendants(trx + "UnitTest").ToDictionary(t => (string)t.Attribute("id"), t => (string)t.Element(trx + "TestMethod")?.Attribute("className"));
        foreach (var result in run.Descendants(trx + "UnitTestResult").Where(r => (string)r.Attribute("outcome") is not ("Passed" or "NotExecuted")))
        {
            var error = result.Descendants(trx + "ErrorInfo").FirstOrDefault();
            failures.Add(($"{project}: {classes[(string)result.Attribute("testId")]}.{(string)result.Attribute("testName")}", $"{error?.Element(trx + "Message")?.Value}\n{error?.Element(trx + "StackTrace")?.Value}"));
        }

        // What belongs to no test, such as the end of the process that ran them.
        foreach (var info in run.Descendants(trx + "RunInfo").Where(i => (string)i.Attribute("outcome") == "Error"))
            failures.Add(($"{project}: the run itself", info.Element(trx + "Text")?.Value ?? ""));
    }

    foreach (var (name, error) in failures.Take(MostTests))
    {
        Console.WriteLine($"\nFAILED {name}");
        var lines = error.Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0 && !ofTheFramework.Any(l.TrimStart().StartsWith));
        foreach (var line in lines.Take(MostLines)) Console.WriteLine(line);
    }

    if (failures.Count > MostTests) Console.WriteLine($"\nand {failures.Count - MostTests} more");
}
