using Beam.Model.Pipeline;
using Coder = Beam.Coders.Coder;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace Beam.Coders;

/// <summary>Coders to and from their portable form in the components of a pipeline.</summary>
internal sealed class CoderTranslator(MapField<string, Model.Pipeline.Coder> coders, ICoderPayloadSerializer? serializer)
{
    /// <summary>The id of a coder, which is added with its components unless it is there.</summary>
    public string ToProto(Coder coder)
    {
        var proto = new Model.Pipeline.Coder();
        foreach (var component in coder.Components) proto.ComponentCoderIds.Add(ToProto(component));
        proto.Spec = coder.Urn is { } urn
            ? new FunctionSpec { Urn = urn, Payload = coder.ToPayload(serializer) }
            : new FunctionSpec { Urn = "beam:coder:dotnet:v1", Payload = ByteString.CopyFrom(serializer!.Serialize(coder)) };
        foreach (var (known, same) in coders)
        {
            if (same.Equals(proto)) return known;
        }

        var id = $"coder_{coders.Count}";
        coders.Add(id, proto);
        return id;
    }

    /// <summary>The coder of an id, for values of the type that is wanted.</summary>
    public Coder FromProto(string id, Type? hint) => throw new CoderNotFoundException($"The coder '{id}' of {hint} cannot be read yet.");
}
