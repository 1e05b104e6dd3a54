namespace Beam.Coders.Collections;

/// <summary>Finds the coder of a collection type.</summary>
internal static class CollectionCoders
{
    private static readonly Type[] Lists =
    [
        typeof(IEnumerable<>), typeof(List<>), typeof(IList<>), typeof(IReadOnlyList<>), typeof(ICollection<>), typeof(IReadOnlyCollection<>),
    ];

    private static readonly Type[] Sets = [typeof(HashSet<>), typeof(ISet<>), typeof(IReadOnlySet<>)];

    private static readonly Type[] Maps = [typeof(Dictionary<,>), typeof(IDictionary<,>), typeof(IReadOnlyDictionary<,>)];

    /// <summary>The type of the elements of a list or set that has a coder; null for other types.</summary>
    internal static Type? ElementType(Type type) =>
        type.IsSZArray ? type.GetElementType()
        : type.IsConstructedGenericType && type.GetGenericTypeDefinition() is var open && (Lists.Contains(open) || Sets.Contains(open))
            ? type.GenericTypeArguments[0]
        : null;

    /// <summary>The types of keys and values of a map that has a coder; null for other types.</summary>
    internal static (Type Key, Type Value)? EntryTypes(Type type) =>
        type.IsConstructedGenericType && Maps.Contains(type.GetGenericTypeDefinition())
            ? (type.GenericTypeArguments[0], type.GenericTypeArguments[1])
            : null;

    /// <summary>The coder of a list or set, or null if the type is neither.</summary>
    /// <param name="type">The type; an open interface such as IEnumerable&lt;&gt; takes what the element's coder encodes.</param>
    /// <param name="elementFor">The coder of an element as this type, or as its natural one if null.</param>
    internal static Coder? Create(Type type, Func<Type?, Coder> elementFor)
    {
        if (type.IsGenericTypeDefinition)
        {
            var natural = elementFor(null);
            return Lists.Contains(type) ? CoderFactory.Make(typeof(ListCoder<,>), [type.MakeGenericType(natural.Type), natural.Type], natural) : null;
        }

        if (ElementType(type) is not { } elementType) return null;
        var element = elementFor(elementType);
        return type.IsSZArray ? CoderFactory.Make(typeof(ArrayCoder<>), [elementType], element)
            : CoderFactory.Make(
                Sets.Contains(type.GetGenericTypeDefinition()) ? typeof(SetCoder<,>) : typeof(ListCoder<,>), [type, elementType], element);
    }

    /// <summary>The coder of a map, or null if the type is none; as <see cref="Create"/>.</summary>
    internal static Coder? CreateMap(Type type, Func<Type?, Coder> keyFor, Func<Type?, Coder> valueFor)
    {
        var open = type.IsGenericTypeDefinition;
        if (!open && EntryTypes(type) is null) return null;
        var key = keyFor(open ? null : type.GenericTypeArguments[0]);
        var value = valueFor(open ? null : type.GenericTypeArguments[1]);
        var map = open ? type.MakeGenericType(key.Type, value.Type) : type;
        return CoderFactory.Make(typeof(MapCoder<,,>), [map, key.Type, value.Type], key, value);
    }
}
