using System.Reflection;

namespace Beam.Schemas;

/// <summary>A member of a type that is a field of its row.</summary>
/// <param name="Info">The property or field.</param>
/// <param name="Type">Its type.</param>
/// <param name="Nullability">What its declaration says of null.</param>
internal sealed record RowMember(MemberInfo Info, Type Type, NullabilityInfo Nullability)
{
    internal string Name => Info.Name;

    /// <summary>The constructor's parameter that takes it; null for one that is set afterwards.</summary>
    internal int? Parameter { get; init; }

    // Code without nullable annotations may hold null anywhere.
    internal bool IsNullable => Type.IsValueType ? Nullable.GetUnderlyingType(Type) is not null : Nullability.ReadState != NullabilityState.NotNull;

    internal bool CanSet => Info switch
    {
        PropertyInfo property => property.SetMethod?.IsPublic == true,
        FieldInfo info => !info.IsInitOnly,
        _ => false,
    };
}

/// <summary>
/// How a type is taken apart into a row and put together again: by its public properties and fields, and by the public constructor
/// whose parameters are named like most of them. A type with state that this cannot see has no shape.
/// </summary>
internal sealed class RowShape
{
    private const string Remedy = "Make it a record whose constructor takes all that it holds, or register a coder: pipeline.Coders.Register(...).";

    private RowShape(Type type, ConstructorInfo? constructor, RowMember[] members)
    {
        Type = type;
        Constructor = constructor;
        Members = members;
    }

    internal Type Type { get; }

    /// <summary>Null for a struct whose members are set.</summary>
    internal ConstructorInfo? Constructor { get; }

    internal IReadOnlyList<RowMember> Members { get; }

    internal static RowShape Of(Type type, InferencePath path)
    {
        RejectKind(type, path);
        var all = PublicMembers(type);
        var constructor = ChooseConstructor(type, all);
        if (constructor is null && !type.IsValueType)
            throw path.Fail("it has no public constructor without parameters, nor one whose parameters are named like its public properties", Remedy);

        var parameters = constructor?.GetParameters() ?? [];
        var members = new List<RowMember>();
        foreach (var member in all)
        {
            var index = Array.FindIndex(parameters, parameter => Matches(parameter, member));
            if (index >= 0 || member.CanSet) members.Add(member with { Parameter = index >= 0 ? index : null });
            else if (member.Info is FieldInfo) throw path.Fail($"its field {member.Name} is readonly and no parameter of a constructor", Remedy);
        }

        RejectHiddenState(type, members, path);
        return new RowShape(type, constructor, [.. members]);
    }

    private static void RejectKind(Type type, InferencePath path)
    {
        if (type.IsInterface || type.IsAbstract) throw path.Fail("it is abstract, so that it does not say what its values hold", Remedy);
        if (type == typeof(object)) throw path.Fail("an object may hold anything", "Use the type that it holds.");
        if (type.IsPointer || type.IsByRefLike || type.IsArray || type.ContainsGenericParameters || typeof(Delegate).IsAssignableFrom(type))
            throw path.Fail("values of such types cannot travel", Remedy);
        var isPair = type.IsGenericType && (Coders.Composite.TupleTypes.IsTuple(type) || type.GetGenericTypeDefinition() == typeof(KeyValuePair<,>));
        if (!isPair && type.Namespace is { } ns && (ns == "System" || ns.StartsWith("System.", StringComparison.Ordinal)))
            throw path.Fail("it is a type of the framework that Beam does not know", "Register a coder: pipeline.Coders.Register(...).");
    }

    private static List<RowMember> PublicMembers(Type type)
    {
        var nullability = new NullabilityInfoContext();
        var members = new List<RowMember>();
        for (var declaring = type; declaring is not null && declaring != typeof(object); declaring = declaring.BaseType)
        {
            const BindingFlags flags = BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly;
            var declared = new List<RowMember>();
            foreach (var property in declaring.GetProperties(flags))
                if (property.GetMethod?.IsPublic == true && property.GetIndexParameters().Length == 0 && !property.PropertyType.IsByRef)
                    declared.Add(new(property, property.PropertyType, nullability.Create(property)));
            foreach (var field in declaring.GetFields(flags))
                declared.Add(new(field, field.FieldType, nullability.Create(field)));
            declared.Sort((a, b) => a.Info.MetadataToken.CompareTo(b.Info.MetadataToken));
            // Those of a base type come first, unless the derived type has its own.
            members.InsertRange(0, declared.Where(member => members.TrueForAll(derived => derived.Name != member.Name)));
        }

        return members;
    }

    private static ConstructorInfo? ChooseConstructor(Type type, List<RowMember> members) => type.GetConstructors()
        .Where(constructor => Array.TrueForAll(
            constructor.GetParameters(), parameter => members.Exists(member => Matches(parameter, member))))
        .OrderByDescending(constructor => constructor.GetParameters().Length)
        .ThenBy(constructor => constructor.MetadataToken)
        .FirstOrDefault();

    private static bool Matches(ParameterInfo parameter, RowMember member) =>
        parameter.ParameterType == member.Type && string.Equals(parameter.Name, member.Name, StringComparison.OrdinalIgnoreCase);

    // What is not part of the row would silently be lost.
    private static void RejectHiddenState(Type type, List<RowMember> members, InferencePath path)
    {
        for (var declaring = type; declaring is not null && declaring != typeof(object); declaring = declaring.BaseType)
        {
            foreach (var field in declaring.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            {
                if (field.IsDefined(typeof(TransientAttribute)) || members.Exists(member => Holds(field, member))) continue;
                var name = field.Name.StartsWith('<') ? field.Name[1..Math.Max(1, field.Name.IndexOf('>', StringComparison.Ordinal))] : field.Name;
                throw path.Fail(
                    $"its '{name}' can be neither read nor set from outside, and would be lost",
                    Remedy + " A field marked [Transient] is left out on purpose.");
            }
        }
    }

    // name, _name, m_name, the compiler's <Name>k__BackingField and <name>P.
    private static bool Holds(FieldInfo field, RowMember member)
    {
        if (field.FieldType != member.Type) return false;
        var name = field.Name.AsSpan();
        if (name.StartsWith("<")) name = name[1..name.IndexOf('>')];
        else if (name.StartsWith("m_")) name = name[2..];
        else name = name.TrimStart('_');
        return name.Equals(member.Name, StringComparison.OrdinalIgnoreCase);
    }
}
