namespace Beam;

/// <summary>Finds runners by their names, in the packages that bring them: the core knows none.</summary>
internal static class RunnerRegistry
{
    private static readonly Dictionary<string, string> Packages = new(StringComparer.OrdinalIgnoreCase)
    {
        ["DirectRunner"] = "Beam.Runner.Direct",
    };

    public static PipelineRunner Create(PipelineOptions options)
    {
        var name = options.As<StandardOptions>().Runner;
        if (!Packages.TryGetValue(name, out var package))
            throw new BeamException($"There is no runner '{name}'; --runner is one of {string.Join(", ", Packages.Keys)}.");
        var canonical = Packages.Keys.First(k => k.Equals(name, StringComparison.OrdinalIgnoreCase));
        var type = Type.GetType($"{package}.{canonical}, {package}", throwOnError: false)
            ?? throw new BeamException($"The runner '{canonical}' is in the package {package}; add a reference to it.");
        return (PipelineRunner)Activator.CreateInstance(type, options)!;
    }
}
