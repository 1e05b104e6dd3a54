using System.Reflection;

namespace Beam.IO;

/// <summary>The file systems that the program was started with.</summary>
public static class FileSystems
{
    // Found once; the set of a program's assemblies does not change.
    private static readonly Lazy<IReadOnlyDictionary<string, IFileSystem>> ByScheme = new(Discover);

    /// <summary>The file system of a path or pattern.</summary>
    /// <exception cref="BeamException">Its scheme is unknown.</exception>
    public static IFileSystem For(string path)
    {
        var colon = path.IndexOf("://", StringComparison.Ordinal);
        if (colon <= 0) return LocalFileSystem.Instance;
        var scheme = path[..colon];
        return ByScheme.Value.TryGetValue(scheme, out var found)
            ? found
            : throw new BeamException($"'{path}': there is no file system for {scheme}://; add the package that brings it" +
                (scheme == "gs" ? " (Beam.IO.GoogleCloud)." : "."));
    }

    private static Dictionary<string, IFileSystem> Discover()
    {
        var systems = new Dictionary<string, IFileSystem>(StringComparer.OrdinalIgnoreCase) { ["file"] = LocalFileSystem.Instance };
        var trusted = (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "").Split(Path.PathSeparator)
            .Select(Path.GetFileNameWithoutExtension)
            .Where(name => name is not null && name.StartsWith("Beam.", StringComparison.Ordinal))
            .Select(name => Assembly.Load(new AssemblyName(name!)));
        foreach (var attribute in trusted.Append(Assembly.GetEntryAssembly()).OfType<Assembly>().Distinct().SelectMany(a => a.GetCustomAttributes<FileSystemAttribute>()))
        {
            if (Activator.CreateInstance(attribute.Type) is not IFileSystem system)
                throw new InvalidOperationException($"{attribute.Type} is declared as the file system of {attribute.Scheme}:// and is none.");
            systems[attribute.Scheme] = system;
        }

        return systems;
    }
}
