using System.Collections.Concurrent;
using Google.Protobuf.WellKnownTypes;

namespace Beam;

/// <summary>The options of a pipeline by Beam's names, seen through typed groups: <c>options.As&lt;StandardOptions&gt;().Runner</c>.</summary>
public sealed class PipelineOptions
{
    private readonly Dictionary<string, List<string>> given;
    private readonly ConcurrentDictionary<System.Type, PipelineOptionsGroup> groups = new();

    /// <summary>Options that all have their defaults.</summary>
    public PipelineOptions() : this([]) { }

    private PipelineOptions(Dictionary<string, List<string>> given) => this.given = given;

    /// <summary>
    /// Reads options from a command line: <c>--name=value</c>, <c>--name value</c>, <c>--flag</c>, <c>--no_flag</c>. Dashes within names
    /// count as underscores.
    /// </summary>
    /// <param name="args">The arguments.</param>
    /// <param name="groups">Groups beside those that Beam's and the program's assemblies declare with <see cref="PipelineOptionsGroupAttribute"/>.</param>
    /// <exception cref="BeamException">An option is unknown, or its value is wrong.</exception>
    public static PipelineOptions Parse(IReadOnlyList<string> args, params System.Type[] groups) => Read(args, OptionCatalog.Discover(groups));

    private static PipelineOptions Read(IReadOnlyList<string> args, SortedDictionary<string, OptionInfo> known)
    {
        var options = new PipelineOptions(CommandLine.Read(args, known));
        foreach (var group in known.Values.Select(o => o.Group).Distinct()) options.Get(group); // Wrong values fail here and now.
        return options;
    }

    /// <summary>The options as one of their groups sees them. Changes to it are changes to these options.</summary>
    /// <exception cref="BeamException">The value of an option is wrong.</exception>
    public T As<T>() where T : PipelineOptionsGroup, new() => (T)Get(typeof(T));

    /// <summary>Fails if an option that a runner does not heed has another value than its default.</summary>
    /// <param name="runner">The runner's name.</param>
    /// <param name="names">The options; all of the group if there are none.</param>
    /// <exception cref="BeamException">One has.</exception>
    internal void Refuse<T>(string runner, params ReadOnlySpan<string> names) where T : PipelineOptionsGroup, new()
    {
        var (group, defaults) = (As<T>(), new T());
        foreach (var option in OptionCatalog.Of(typeof(T)))
        {
            if (names.Length > 0 && !names.Contains(option.Name)) continue;
            if (!OptionValues.Format(option.Property.GetValue(group)).SequenceEqual(OptionValues.Format(option.Property.GetValue(defaults))))
                throw new BeamException($"--{option.Name} is not supported by {runner} yet; leave it out.");
        }
    }

    /// <summary>The options that exist, a line each, with what they are unless given.</summary>
    internal static string Help(IReadOnlyList<string> defaults, params System.Type[] groups)
    {
        var known = OptionCatalog.Discover(groups);
        var options = Read(defaults, known);
        var text = new System.Text.StringBuilder("Options, as --name=value:\n\n");
        foreach (var option in known.Values)
        {
            var value = string.Join(", ", OptionValues.Format(option.Property.GetValue(options.Get(option.Group))));
            text.Append("  --").Append(option.Name.PadRight(32)).Append(' ').Append(option.Description);
            if (value.Length > 0) text.Append(" [").Append(value).Append(']');
            text.AppendLine();
        }

        return text.Append("  --").Append("help".PadRight(32)).AppendLine(" Print this.").ToString();
    }

    /// <summary>The options in the form in which they go to runners and workers.</summary>
    internal Struct ToStruct()
    {
        var result = new Struct();
        foreach (var (name, values) in given) result.Fields[OptionValues.Urn(name)] = OptionValues.ToProto(values);
        foreach (var group in groups.Values)
        {
            var defaults = Activator.CreateInstance(group.GetType())!;
            foreach (var option in OptionCatalog.Of(group.GetType()))
            {
                var value = OptionValues.Format(option.Property.GetValue(group));
                var isDefault = value.SequenceEqual(OptionValues.Format(option.Property.GetValue(defaults)));
                if (isDefault) result.Fields.Remove(OptionValues.Urn(option.Name));
                else result.Fields[OptionValues.Urn(option.Name)] = OptionValues.ToProto(value);
            }
        }

        return result;
    }

    internal static PipelineOptions FromStruct(Struct options) =>
        new(options.Fields.ToDictionary(f => OptionValues.NameOfUrn(f.Key), f => OptionValues.FromProto(f.Value)));

    private PipelineOptionsGroup Get(System.Type type) => groups.GetOrAdd(type, t =>
    {
        var group = (PipelineOptionsGroup)Activator.CreateInstance(t)!;
        foreach (var option in OptionCatalog.Of(t))
        {
            if (given.TryGetValue(option.Name, out var values))
                option.Property.SetValue(group, OptionValues.Parse(option.Name, option.Property.PropertyType, values));
        }

        return group;
    });
}
