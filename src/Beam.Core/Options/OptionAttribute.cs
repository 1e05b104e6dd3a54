namespace Beam;

/// <summary>Makes a property of a <see cref="PipelineOptionsGroup"/> an option of the command line.</summary>
/// <param name="name">The option's name, without the leading dashes: <c>"direct_num_workers"</c>. Dashes within it count as underscores.</param>
/// <param name="description">What it does, in one sentence, for <c>--help</c>.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionAttribute(string name, string description) : Attribute
{
    /// <summary>The option's name.</summary>
    public string Name => name.Replace('-', '_');

    /// <summary>What it does.</summary>
    public string Description => description;
}

/// <summary>Tells <see cref="PipelineOptions.Parse"/> of a group of options that an assembly brings.</summary>
/// <param name="group">A <see cref="PipelineOptionsGroup"/>.</param>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class PipelineOptionsGroupAttribute(Type group) : Attribute
{
    /// <summary>The group.</summary>
    public Type Group => group;
}

/// <summary>
/// A class of options: its properties that bear <see cref="OptionAttribute"/> are set from the command line. Properties may be strings,
/// booleans, numbers, enums (in snake_case), time spans, nullable ones of these, and lists of strings (by repeating the option).
/// </summary>
public abstract class PipelineOptionsGroup;
