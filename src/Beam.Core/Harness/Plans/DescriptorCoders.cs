using System.Collections.Concurrent;
using Beam.Coders;
using Beam.Model;
using Beam.Model.FnExecution;
using Beam.Serialization;
using Proto = Beam.Model.Pipeline;

namespace Beam.Harness;

/// <summary>The coders of a descriptor, for the types that the transforms around them want.</summary>
internal sealed class DescriptorCoders(ProcessBundleDescriptor descriptor)
{
    private readonly CoderTranslator _translator = new(descriptor.Coders, DotnetPayloads.Instance);
    private readonly ConcurrentDictionary<(string Id, Type? Type), Coder> _coders = new();

    /// <summary>The coder of an id for a type; for the coder's own if null.</summary>
    public Coder Get(string id, Type? type) => _coders.GetOrAdd((id, type), static (key, self) =>
    {
        lock (self._translator)
        {
            if (!self.Descriptor.Coders.ContainsKey(key.Id)) throw new InvalidDataException($"The bundle descriptor '{self.Descriptor.Id}' has no coder '{key.Id}'.");
            return self._translator.FromProto(key.Id, key.Type);
        }
    }, this);

    public Coder<T> Get<T>(string id) => Get(id, typeof(T)) as Coder<T>
        ?? throw new CoderNotFoundException($"The coder '{id}' ({Proto(id).Spec.Urn}) cannot be read as {typeof(T)}.");

    /// <summary>The id of a component of a coder, length prefixes around the coder not counted.</summary>
    public string ComponentId(string id, int component)
    {
        var proto = Proto(id);
        while (proto.Spec.Urn == BeamUrns.Coders.LengthPrefix && proto.ComponentCoderIds.Count == 1) proto = Proto(proto.ComponentCoderIds[0]);
        return component < proto.ComponentCoderIds.Count
            ? proto.ComponentCoderIds[component]
            : throw new InvalidDataException($"The coder '{id}' ({proto.Spec.Urn}) has no component {component}.");
    }

    public Coder<T> Component<T>(string id, int component) => Get<T>(ComponentId(id, component));

    /// <summary>The type that a coder has when nobody wants another.</summary>
    public Type NaturalType(string id) => Get(id, null).Type;

    private ProcessBundleDescriptor Descriptor => descriptor;

    private Proto.Coder Proto(string id) => descriptor.Coders.TryGetValue(id, out var coder)
        ? coder
        : throw new InvalidDataException($"The bundle descriptor '{descriptor.Id}' has no coder '{id}'.");
}
