using System.Reflection;

namespace Beam;

/// <summary>One option: its name, and the property that it sets.</summary>
internal sealed record OptionInfo(string Name, string Description, PropertyInfo Property)
{
    public System.Type Group => Property.DeclaringType!;

    public bool IsFlag => Property.PropertyType == typeof(bool) || Property.PropertyType == typeof(bool?);
}

/// <summary>Which options there are.</summary>
internal static class OptionCatalog
{
    /// <summary>The options of a group.</summary>
    public static IEnumerable<OptionInfo> Of(System.Type group) =>
        from property in @group.GetProperties(BindingFlags.Instance | BindingFlags.Public)
        let option = property.GetCustomAttribute<OptionAttribute>()
        where option is not null
        select new OptionInfo(option.Name, option.Description, property);

    /// <summary>The options of all groups that Beam's assemblies, the program's and the caller declare, by name.</summary>
    public static SortedDictionary<string, OptionInfo> Discover(IEnumerable<System.Type> more)
    {
        var groups = Assemblies()
            .SelectMany(a => a.GetCustomAttributes<PipelineOptionsGroupAttribute>())
            .Select(a => a.Group)
            .Concat(more)
            .Distinct();
        var options = new SortedDictionary<string, OptionInfo>(StringComparer.Ordinal);
        foreach (var option in groups.SelectMany(Of))
        {
            if (!options.TryAdd(option.Name, option))
                throw new InvalidOperationException($"Both {options[option.Name].Group} and {option.Group} declare the option '{option.Name}'.");
        }

        return options;
    }

    /// <summary>Beam's assemblies that the program was started with, loaded or not, and the program's own.</summary>
    private static IEnumerable<Assembly> Assemblies()
    {
        var trusted = (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "").Split(Path.PathSeparator);
        var beam = trusted
            .Select(Path.GetFileNameWithoutExtension)
            .Where(name => name is not null && name.StartsWith("Beam.", StringComparison.Ordinal) && !name.EndsWith("Tests", StringComparison.Ordinal))
            .Select(name => Assembly.Load(new AssemblyName(name!)));
        return beam.Append(typeof(OptionCatalog).Assembly).Append(Assembly.GetEntryAssembly()).OfType<Assembly>().Distinct();
    }
}
