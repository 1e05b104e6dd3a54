using System.Runtime.InteropServices;

namespace Beam.Processes;

/// <summary>The command line that starts Beam.Worker with the assemblies of the running program.</summary>
internal static class ChildProcessHost
{
    private const string WorkerAssembly = "Beam.Worker.dll";

    /// <summary>The dotnet executable whose runtime runs this process.</summary>
    public static string DotNet { get; } = FindDotNet();

    /// <summary>
    /// <c>exec --depsfile app.deps.json --runtimeconfig app.runtimeconfig.json Beam.Worker.dll</c>: the child resolves assemblies just
    /// as this process does, also when this process is a test host.
    /// </summary>
    public static IReadOnlyList<string> Arguments()
    {
        var worker = Path.Combine(AppContext.BaseDirectory, WorkerAssembly);
        if (!File.Exists(worker))
            throw new FileNotFoundException(
                $"{WorkerAssembly} is not in {AppContext.BaseDirectory}. Worker processes need it beside the program's assemblies: " +
                "publish the program as files (not as a single file), or run with --direct_running_mode=in_memory.", worker);

        var arguments = new List<string> { "exec" };
        if (AppDepsFile() is { } deps)
        {
            arguments.AddRange(["--depsfile", deps]);
            var runtimeConfig = deps[..^".deps.json".Length] + ".runtimeconfig.json";
            if (File.Exists(runtimeConfig)) arguments.AddRange(["--runtimeconfig", runtimeConfig]);
        }

        arguments.Add(worker);
        return arguments;
    }

    /// <summary>The host tells every program which deps.json files it was resolved from; the application's own comes first.</summary>
    private static string? AppDepsFile() =>
        (AppContext.GetData("APP_CONTEXT_DEPS_FILES") as string)?
            .Split(';', StringSplitOptions.RemoveEmptyEntries)
            .FirstOrDefault(file => file.EndsWith(".deps.json", StringComparison.OrdinalIgnoreCase) && File.Exists(file));

    private static string FindDotNet()
    {
        var name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        // <root>/shared/Microsoft.NETCore.App/<version>/ holds the runtime; the muxer lies in <root>.
        var beside = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", name));
        if (File.Exists(beside)) return beside;
        return Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } path && File.Exists(path) ? path : name;
    }
}
