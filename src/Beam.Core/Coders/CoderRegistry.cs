using System.Collections.Concurrent;
using Beam.Coders.Collections;
using Beam.Coders.Composite;
using Beam.Coders.Standard;
using Beam.Coders.Windows;
using Beam.Schemas;

namespace Beam.Coders;

/// <summary>
/// Finds the coder of a type; one belongs to each pipeline. It knows numbers, text, bytes, enums, times, Guid, Uri, <see cref="KV{TKey, TValue}"/>,
/// tuples, nullable types, arrays, lists, sets and dictionaries of what it knows; a record or class with public state is a Beam row.
/// Everything else is registered.
/// </summary>
public sealed class CoderRegistry
{

    private readonly ConcurrentDictionary<Type, Func<Type, CoderRegistry, Coder>> _registered = new();
    private readonly ConcurrentDictionary<Type, Coder> _known = new();
    private readonly SchemaInference _schemas;

    /// <summary>Makes a registry that knows the types of the framework.</summary>
    public CoderRegistry() => _schemas = new SchemaInference(this);

    /// <summary>Uses this coder for <typeparamref name="T"/>, within other types as well.</summary>
    public void Register<T>(Coder<T> coder)
    {
        ArgumentNullException.ThrowIfNull(coder);
        Register(typeof(T), (_, _) => coder);
    }

    /// <summary>Uses what the function makes for a type, or for all that an open generic type can be.</summary>
    /// <param name="type">The type, closed or open such as <c>typeof(Range&lt;&gt;)</c>.</param>
    /// <param name="create">Takes the closed type and this registry, for coders of its parts, and returns a coder of the closed type.</param>
    public void Register(Type type, Func<Type, CoderRegistry, Coder> create)
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(create);
        _registered[type] = create;
        // What has been inferred may have the type within it.
        _known.Clear();
    }

    /// <summary>The coder of <typeparamref name="T"/>.</summary>
    /// <exception cref="CoderNotFoundException">The type, or a part of it, has none; the message says which and what to do.</exception>
    public Coder<T> Get<T>() => (Coder<T>)Get(typeof(T));

    /// <summary>The coder of a type.</summary>
    /// <exception cref="CoderNotFoundException">The type, or a part of it, has none; the message says which and what to do.</exception>
    public Coder Get(Type type) => Get(type, InferencePath.Root(type));

    /// <summary>The coder that was registered for a type; null if none was.</summary>
    internal Coder? FindRegistered(Type type)
    {
        if (!_registered.TryGetValue(type, out var create) &&
            !(type.IsConstructedGenericType && _registered.TryGetValue(type.GetGenericTypeDefinition(), out create)))
            return null;
        var coder = create(type, this);
        return coder.Type == type
            ? coder
            : throw new CoderNotFoundException($"What was registered for {InferencePath.Name(type)} made a coder of {InferencePath.Name(coder.Type)}.");
    }

    private Coder Get(Type type, InferencePath path) => _known.TryGetValue(type, out var known) ? known : _known.GetOrAdd(type, Create(type, path));

    private Coder Create(Type type, InferencePath path) =>
        FindRegistered(type) ?? Simple(type) ?? Composite(type, path) ?? CoderFactory.Make(typeof(RowCoder<>), [type], RowSchema(type, path));

    private Schema RowSchema(Type type, InferencePath path) => type == typeof(Row)
        ? throw path.Fail("a row does not say what its schema is", "Register the coder of the schema: pipeline.Coders.Register(schema.CreateCoder()).")
        : _schemas.SchemaOf(type, path);

    private static Coder? Simple(Type type) =>
        type == typeof(byte[]) ? BytesCoder.Instance
        : type == typeof(ReadOnlyMemory<byte>) ? MemoryCoder.Instance
        : type == typeof(string) ? StringUtf8Coder.Instance
        : type == typeof(bool) ? BoolCoder.Instance
        : type == typeof(double) ? DoubleCoder.Instance
        : type == typeof(float) ? SingleAsDoubleCoder.Instance
        : type == typeof(Uri) ? UriCoder.Instance
        : type == typeof(GlobalWindow) ? GlobalWindowCoder.Instance
        : type == typeof(IntervalWindow) ? IntervalWindowCoder.Instance
        : IntegerCoders.For<Varint64Format>(type) is { } integer ? integer
        : LogicalTypes.Of(type) is { } logical
            ? CoderFactory.Make(typeof(FieldCoder<>), [type], logical, FieldCoders.For(logical, type, InferencePath.Name(type)))
        : null;

    private Coder? Composite(Type type, InferencePath path)
    {
        if (Nullable.GetUnderlyingType(type) is { } underlying) return CoderFactory.Nullable(Get(underlying, path.Part("?", underlying)));
        Func<Type?, Coder> Part(string name) => part => Get(part!, path.Part(name, part!));
        if (CollectionCoders.CreateMap(type, Part("(key)"), Part("(value)")) is { } map) return map;
        if (CollectionCoders.Create(type, Part("[]")) is { } collection) return collection;
        if (!type.IsConstructedGenericType) return null;
        var arguments = type.GenericTypeArguments;
        if (TupleTypes.IsTuple(type))
        {
            return CoderFactory.Make(typeof(TupleCoder<>), [type], [arguments.Select((item, i) => Part($".Item{i + 1}")(item)).ToArray()]);
        }

        var open = type.GetGenericTypeDefinition();
        return open == typeof(KV<,>) ? CoderFactory.Make(typeof(KvCoder<,>), arguments, Part(".Key")(arguments[0]), Part(".Value")(arguments[1]))
            : open == typeof(KeyValuePair<,>)
                ? CoderFactory.Make(typeof(KeyValuePairCoder<,>), arguments, Part(".Key")(arguments[0]), Part(".Value")(arguments[1]))
            : open == typeof(ShardedKey<>) ? CoderFactory.Make(typeof(ShardedKeyCoder<>), arguments, Part(".Key")(arguments[0]))
            : null;
    }
}
