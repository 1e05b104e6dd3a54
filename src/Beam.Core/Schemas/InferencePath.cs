using Beam.Coders;

namespace Beam.Schemas;

/// <summary>How inference came to a type: from which type, over which members.</summary>
internal sealed class InferencePath
{
    private readonly InferencePath? _outer;
    private readonly string _step;
    private readonly Type _type;

    private InferencePath(InferencePath? outer, string step, Type type)
    {
        _outer = outer;
        _step = step;
        _type = type;
    }

    internal static InferencePath Root(Type type) => new(null, Name(type), type);

    internal InferencePath Member(string name, Type type) => new(this, "." + name, type);

    internal InferencePath Part(string part, Type type) => new(this, part, type);

    /// <summary>Whether the type contains itself on this path.</summary>
    internal bool IsRecursive
    {
        get
        {
            for (var p = _outer; p is not null; p = p._outer)
                if (p._type == _type) return true;
            return false;
        }
    }

    internal CoderNotFoundException Fail(string reason, string remedy) => new(
        _outer is null ? $"{_step} has no coder: {reason}. {remedy}" : $"{Text} of type {Name(_type)} has no coder: {reason}. {remedy}");

    private string Text => _outer?.Text + _step;

    internal static string Name(Type type)
    {
        if (type.IsSZArray) return Name(type.GetElementType()!) + "[]";
        if (!type.IsGenericType) return type.IsNested && !type.IsGenericParameter ? $"{Name(type.DeclaringType!)}.{type.Name}" : type.Name;
        var name = type.Name;
        if (name.IndexOf('`', StringComparison.Ordinal) is var tick and > 0) name = name[..tick];
        return $"{name}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
