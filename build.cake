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
                    Loggers = [$"trx;LogFileName={project.GetFilenameWithoutExtension()}.trx"],
                });
            }
            catch (CakeException)
            {
                failed.Add(project.GetFilenameWithoutExtension().ToString());
            }
        }

        if (failed.Count > 0) throw new CakeException("Tests failed in " + string.Join(", ", failed));
    });

Task("Pack")
    .Does(() => DotNetPack(Solution, new DotNetPackSettings { Configuration = "Release", OutputDirectory = "artifacts/packages" }));

Task("Bench")
    .Does(() => DotNetRun("bench/Beam.Benchmarks", new ProcessArgumentBuilder(), new DotNetRunSettings { Configuration = "Release" }));

RunTarget(target);
