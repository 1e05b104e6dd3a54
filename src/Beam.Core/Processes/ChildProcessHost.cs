using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Beam.Processes;

/// <summary>The command that starts Beam.Worker with the runtime and the assemblies of the running program.</summary>
internal static class ChildProcessHost
{
    private const string WorkerName = "Beam.Worker";
    private const string WorkerAssembly = WorkerName + ".dll";
    private const string HooksVariable = "DOTNET_STARTUP_HOOKS";

    /// <summary>The dotnet executable whose runtime runs this process.</summary>
    public static string DotNet { get; } = FindDotNet();

    /// <summary>A program that brings its own runtime: no dotnet executable is needed, and none could run its assemblies.</summary>
    private static bool IsSelfContained { get; } =
        Path.TrimEndingDirectorySeparator(RuntimeEnvironment.GetRuntimeDirectory()) == Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);

    /// <summary>
    /// <c>dotnet exec --depsfile app.deps.json --runtimeconfig app.runtimeconfig.json Beam.Worker.dll</c>: the child resolves assemblies just
    /// as this process does, also when this process is a test host. A self-contained program is started itself, with Beam.Worker as the
    /// startup hook that runs instead of its Main.
    /// </summary>
    /// <exception cref="BeamException">The program is published in a form that cannot start worker processes.</exception>
    public static ProcessStartInfo Command()
    {
        var worker = Path.Combine(AppContext.BaseDirectory, WorkerAssembly);
        if (!File.Exists(worker))
            throw new BeamException(
                $"{WorkerAssembly} is not in {AppContext.BaseDirectory}. Worker processes need it beside the program's assemblies: " +
                "publish the program as files (not as a single file), or run with --direct_running_mode=in_memory.");
        return IsSelfContained ? OfThisProgram() : OfDotNet(worker);
    }

    /// <summary>In a process whose startup hook runs the child: what it starts in turn shall not have that hook.</summary>
    public static void RemoveStartupHook()
    {
        var hooks = (Environment.GetEnvironmentVariable(HooksVariable) ?? "").Split(Path.PathSeparator).Where(hook => hook is not ("" or WorkerName));
        Environment.SetEnvironmentVariable(HooksVariable, string.Join(Path.PathSeparator, hooks) is { Length: > 0 } rest ? rest : null);
    }

    private static ProcessStartInfo OfDotNet(string worker)
    {
        var start = new ProcessStartInfo(DotNet) { ArgumentList = { "exec" } };
        if (AppDepsFile() is { } deps)
        {
            start.ArgumentList.Add("--depsfile");
            start.ArgumentList.Add(deps);
            var runtimeConfig = deps[..^".deps.json".Length] + ".runtimeconfig.json";
            if (File.Exists(runtimeConfig))
            {
                start.ArgumentList.Add("--runtimeconfig");
                start.ArgumentList.Add(runtimeConfig);
            }
        }

        start.ArgumentList.Add(worker);
        return start;
    }

    private static ProcessStartInfo OfThisProgram()
    {
        // Without hooks the child would run the program's Main, and that would start children in turn.
        if (AppContext.TryGetSwitch("System.StartupHookProvider.IsSupported", out var hooked) && !hooked)
            throw new BeamException(
                "This self-contained program has no startup hooks, which worker processes need: publish it with " +
                "-p:StartupHookSupport=true (and not trimmed), framework-dependent, or run with --direct_running_mode=in_memory.");
        var program = Environment.ProcessPath ?? throw new BeamException("The path of this program is not known; run with --direct_running_mode=in_memory.");
        var start = new ProcessStartInfo(program);
        var hooks = Environment.GetEnvironmentVariable(HooksVariable);
        start.Environment[HooksVariable] = string.IsNullOrEmpty(hooks) ? WorkerName : $"{hooks}{Path.PathSeparator}{WorkerName}";
        return start;
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
