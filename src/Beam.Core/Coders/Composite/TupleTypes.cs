using System.Runtime.CompilerServices;

namespace Beam.Coders.Composite;

internal static class TupleTypes
{
    private static readonly Type[] ValueTuples =
    [
        typeof(ValueTuple<>), typeof(ValueTuple<,>), typeof(ValueTuple<,,>), typeof(ValueTuple<,,,>), typeof(ValueTuple<,,,,>),
        typeof(ValueTuple<,,,,,>), typeof(ValueTuple<,,,,,,>),
    ];

    /// <summary>Whether the type is a tuple of one to seven items.</summary>
    internal static bool IsTuple(Type type) =>
        type.IsConstructedGenericType && typeof(ITuple).IsAssignableFrom(type) && type.GenericTypeArguments.Length <= 7 &&
        type.Assembly == typeof(ITuple).Assembly;

    /// <summary>The ValueTuple of these items.</summary>
    internal static Type Of(Type[] items) => items.Length is > 0 and <= 7
        ? ValueTuples[items.Length - 1].MakeGenericType(items)
        : throw new CoderNotFoundException($"A tuple of {items.Length} items has no coder; 1 to 7 have.");
}
