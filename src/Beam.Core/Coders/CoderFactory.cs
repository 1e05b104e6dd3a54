using System.Reflection;
using Beam.Coders.Standard;

namespace Beam.Coders;

/// <summary>Makes generic coders of types that are known at run time.</summary>
internal static class CoderFactory
{
    internal static Coder Make(Type openCoder, Type[] arguments, params object?[] parameters) => (Coder)Activator.CreateInstance(
        openCoder.MakeGenericType(arguments),
        BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DoNotWrapExceptions,
        binder: null, parameters, culture: null)!;

    internal static Coder Nullable(Coder value) => value.Type.IsValueType
        ? Make(typeof(NullableCoder<>), [value.Type], value)
        : Make(typeof(NullableReferenceCoder<>), [value.Type], value);
}
