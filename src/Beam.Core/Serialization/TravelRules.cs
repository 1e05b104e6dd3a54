using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Beam.Serialization;

/// <summary>What may travel to a worker, and which assemblies a worker resolves.</summary>
internal static class TravelRules
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> Fields = new();

    /// <summary>Framework types whose static methods may be functions of a pipeline (<c>Map(int.Parse)</c>): pure ones.</summary>
    private static readonly HashSet<Type> MethodOwners =
    [
        typeof(string), typeof(char), typeof(bool), typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(int), typeof(uint),
        typeof(long), typeof(ulong), typeof(float), typeof(double), typeof(decimal), typeof(Guid), typeof(DateTime), typeof(DateTimeOffset),
        typeof(TimeSpan), typeof(DateOnly), typeof(TimeOnly), typeof(Math), typeof(MathF), typeof(Convert), typeof(Enumerable),
    ];

    /// <summary>Collections of the framework that travel by their elements.</summary>
    private static readonly HashSet<Type> Collections =
    [
        typeof(List<>), typeof(HashSet<>), typeof(SortedSet<>), typeof(Queue<>), typeof(Stack<>), typeof(LinkedList<>),
        typeof(Dictionary<,>), typeof(SortedDictionary<,>), typeof(SortedList<,>),
    ];

    /// <summary>Whether an assembly is the framework's and not the program's.</summary>
    public static bool IsFramework(Assembly assembly)
    {
        if (assembly == typeof(object).Assembly) return true;
        var name = assembly.GetName();
        var publicKey = name.GetPublicKeyToken() ?? [];
        // ECMA, Microsoft and the open .NET keys: what the shared frameworks are signed with.
        return Convert.ToHexStringLower(publicKey) is "b77a5c561934e089" or "b03f5f7f11d50a3a" or "7cec85d7bea7798e" or "cc7b13ffcd2ddd51" or "adb9793829ddae60"
            && (name.Name!.StartsWith("System", StringComparison.Ordinal) || name.Name.StartsWith("Microsoft", StringComparison.Ordinal) || name.Name is "netstandard" or "mscorlib");
    }

    /// <summary>The assembly of a name, if it is loaded or among those that the program was started with.</summary>
    public static Assembly? Resolve(string name)
    {
        if (AppDomain.CurrentDomain.GetAssemblies().FirstOrDefault(a => !a.IsDynamic && a.GetName().Name == name) is { } loaded) return loaded;
        var trusted = AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "";
        var isTrusted = trusted.Split(Path.PathSeparator).Any(p => Path.GetFileNameWithoutExtension(p.AsSpan()).Equals(name, StringComparison.OrdinalIgnoreCase));
        return isTrusted ? Assembly.Load(new AssemblyName(name)) : null;
    }

    public static bool IsCollection(Type type) => type.IsGenericType && Collections.Contains(type.GetGenericTypeDefinition());

    /// <summary>Why objects of a type do not travel; null if they do.</summary>
    public static string? WhyNot(Type type)
    {
        if (typeof(PCollection).IsAssignableFrom(type)) return "a PCollection is not a value that a function can read; capture a view of it (AsSingleton(), AsIterable(), …)";
        if (typeof(Pipeline).IsAssignableFrom(type)) return "a pipeline exists only where it is built";
        if (type.IsPointer || type.IsByRefLike) return "pointers and spans exist only in their process";
        if (!IsFramework(type.Assembly)) return BaseFields(type);
        if (type == typeof(object) || IsTuple(type) || IsEqualityDefault(type)) return null;
        return "it belongs to this process; create it in Setup and mark the field [Transient], or capture the plain values that it is made from";
    }

    /// <summary>Why a framework method cannot be named as a function; null if it can.</summary>
    public static string? WhyNot(MethodInfo method) =>
        method.DeclaringType is not { } owner ? "it was generated at run time and has no name that a worker could find"
        : !IsFramework(owner.Assembly) || MethodOwners.Contains(owner.IsGenericType ? owner.GetGenericTypeDefinition() : owner) ? null
        : $"it is a method of {owner.FullName}; write a lambda that calls it";

    /// <summary>The fields of an object that travel, base classes first.</summary>
    public static FieldInfo[] FieldsOf(Type type) => Fields.GetOrAdd(type, static t =>
    {
        var fields = new List<FieldInfo>();
        for (var level = t; level is not null && level != typeof(object) && level != typeof(ValueType); level = level.BaseType)
        {
            fields.InsertRange(0, level
                .GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
                // A closure keeps delegates of the lambdas within it, for speed only, and one of them may be the one that is travelling.
                .Where(f => !f.IsDefined(typeof(TransientAttribute)) && !f.Name.StartsWith("<>9__", StringComparison.Ordinal))
                .OrderBy(f => f.Name, StringComparer.Ordinal));
        }

        return [.. fields];
    });

    private static bool IsTuple(Type type) =>
        typeof(ITuple).IsAssignableFrom(type) || (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(KeyValuePair<,>));

    private static bool IsEqualityDefault(Type type) =>
        type.Namespace == "System.Collections.Generic" && FieldsOf(type).Length == 0 && type.Name.Contains("EqualityComparer", StringComparison.Ordinal);

    private static string? BaseFields(Type type)
    {
        for (var level = type.BaseType; level is not null && level != typeof(object) && level != typeof(ValueType); level = level.BaseType)
        {
            if (IsFramework(level.Assembly) && FieldsOf(level).Length > 0)
                return $"its base class {level.FullName} belongs to this process; create it in Setup and mark the field [Transient]";
        }

        return null;
    }
}
