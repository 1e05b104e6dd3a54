using Beam.Model.FnExecution;

namespace Beam.Harness;

/// <summary>The C# types of a descriptor's collections, as far as they are known.</summary>
internal sealed class TypeMap(ProcessBundleDescriptor descriptor, DescriptorCoders coders)
{
    private readonly Dictionary<string, Type> _types = [];

    /// <summary>Whether a type became known since this was last set to false.</summary>
    public bool Changed { get; set; }

    public Type? Find(string collectionId) => _types.GetValueOrDefault(collectionId);

    public Type this[string collectionId] => _types.TryGetValue(collectionId, out var type)
        ? type
        : throw new InvalidOperationException($"Nothing says what type the elements of '{collectionId}' have.");

    /// <summary>Says a type. The first to say it decides; others see the elements through their coder.</summary>
    public void Set(string collectionId, Type type) => Changed |= _types.TryAdd(collectionId, type);

    public Type Natural(string collectionId) => coders.NaturalType(descriptor.Pcollections[collectionId].CoderId);

    /// <summary>The type of a component of a collection's coder, when nobody wants another.</summary>
    public Type NaturalComponent(string collectionId, int component) =>
        coders.NaturalType(coders.ComponentId(descriptor.Pcollections[collectionId].CoderId, component));
}
