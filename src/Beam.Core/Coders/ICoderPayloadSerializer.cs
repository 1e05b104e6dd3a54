namespace Beam.Coders;

/// <summary>Carries coders of the user's own to workers, as the payload of <c>beam:coder:dotnet:v1</c>.</summary>
public interface ICoderPayloadSerializer
{
    /// <summary>The bytes of a coder.</summary>
    byte[] Serialize(Coder coder);

    /// <summary>The coder of these bytes.</summary>
    Coder Deserialize(byte[] payload);
}
