using System.Collections.Concurrent;

namespace Beam.Coders;

/// <summary>Finds the coder of a type. One belongs to each pipeline.</summary>
public sealed class CoderRegistry
{
    private readonly ConcurrentDictionary<Type, Coder> _coders = new();

    /// <summary>Uses this coder for <typeparamref name="T"/>.</summary>
    public void Register<T>(Coder<T> coder) => _coders[typeof(T)] = coder;

    /// <summary>The coder of <typeparamref name="T"/>.</summary>
    /// <exception cref="CoderNotFoundException">The type has none.</exception>
    public Coder<T> Get<T>() => (Coder<T>)Get(typeof(T));

    /// <summary>The coder of a type.</summary>
    /// <exception cref="CoderNotFoundException">The type has none.</exception>
    public Coder Get(Type type) => _coders.TryGetValue(type, out var coder)
        ? coder
        : throw new CoderNotFoundException($"{type} has no coder. Register one: pipeline.Coders.Register(...).");
}
