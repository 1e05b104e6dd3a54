using Beam.Model.Pipeline;
using Google.Protobuf;
using Google.Protobuf.Collections;
using ProtoCoder = Beam.Model.Pipeline.Coder;

namespace Beam.Coders;

/// <summary>Coders to and from their portable form in the components of a pipeline.</summary>
internal sealed class CoderTranslator
{
    private readonly MapField<string, ProtoCoder> _coders;
    private readonly ICoderPayloadSerializer? _serializer;
    private readonly Dictionary<ProtoCoder, string> _ids = [];
    private readonly Dictionary<(string Id, Type? Hint), Coder> _read = [];

    /// <summary>Translates to and from these components.</summary>
    /// <param name="coders">The coders by their ids; new ones are added.</param>
    /// <param name="serializer">For coders of the user's own; without it they cannot be translated.</param>
    public CoderTranslator(MapField<string, ProtoCoder> coders, ICoderPayloadSerializer? serializer)
    {
        _coders = coders;
        _serializer = serializer;
        foreach (var (id, proto) in coders) _ids.TryAdd(proto, id);
    }

    /// <summary>The id of a coder, which is added with its components unless one like it is there. Equal coders have equal ids.</summary>
    public string ToProto(Coder coder)
    {
        var proto = new ProtoCoder();
        if (coder.Urn is { } urn)
        {
            proto.Spec = new FunctionSpec { Urn = urn, Payload = coder.ToPayload(_serializer) };
            foreach (var component in coder.Components) proto.ComponentCoderIds.Add(ToProto(component));
        }
        else
        {
            // The payload has all of it, its components included.
            proto.Spec = new FunctionSpec
            {
                Urn = CoderUrns.DotNet,
                Payload = UnsafeByteOperations.UnsafeWrap(CoderPayload.Serialize(coder, _serializer)),
            };
        }

        if (_ids.TryGetValue(proto, out var known)) return known;
        var number = _coders.Count;
        var id = $"coder_{number}";
        while (_coders.ContainsKey(id)) id = $"coder_{++number}";
        _coders.Add(id, proto);
        _ids.Add(proto, id);
        return id;
    }

    /// <summary>The coder of an id.</summary>
    /// <param name="id">Its id in the components.</param>
    /// <param name="hint">The type that is wanted of it, such as a record for rows; null for the natural type: long, <see cref="Schemas.Row"/>, ….</param>
    /// <exception cref="CoderNotFoundException">The coder is not known, or cannot produce that type.</exception>
    public Coder FromProto(string id, Type? hint)
    {
        if (hint == typeof(object)) hint = null;
        if (_read.TryGetValue((id, hint), out var known)) return known;
        var coder = new CoderResolver(_coders, _serializer).Resolve(id, hint);
        _read.Add((id, hint), coder);
        return coder;
    }
}
