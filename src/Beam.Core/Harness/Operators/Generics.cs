using System.Reflection;

namespace Beam.Harness;

/// <summary>Closes generic types over element types that only a descriptor makes known.</summary>
internal static class Generics
{
    public static object Create(Type open, Type[] arguments, params object?[] parameters) =>
        Activator.CreateInstance(open.MakeGenericType(arguments), BindingFlags.Instance | BindingFlags.Public | BindingFlags.DoNotWrapExceptions,
            binder: null, parameters, culture: null)!;

    /// <summary>The arguments of the generic class that a type derives from; null if it does not.</summary>
    public static Type[]? ArgumentsOfBase(Type type, Type openBase)
    {
        for (Type? t = type; t is not null; t = t.BaseType)
        {
            if (t.IsGenericType && t.GetGenericTypeDefinition() == openBase) return t.GetGenericArguments();
        }

        return null;
    }

    /// <summary>Key and value type of a <see cref="KV{TKey,TValue}"/>; null for other types.</summary>
    public static (Type Key, Type Value)? KvOf(Type? type) =>
        type is { IsGenericType: true } && type.GetGenericTypeDefinition() == typeof(KV<,>)
            ? (type.GetGenericArguments()[0], type.GetGenericArguments()[1])
            : null;

    public static Type Kv(Type key, Type value) => typeof(KV<,>).MakeGenericType(key, value);

    public static Type Enumerable(Type element) => typeof(IEnumerable<>).MakeGenericType(element);
}
