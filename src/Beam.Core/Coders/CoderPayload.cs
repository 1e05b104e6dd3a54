namespace Beam.Coders;

/// <summary>Serializes a coder of the user's own, or says why that cannot be.</summary>
internal static class CoderPayload
{
    internal static byte[] Serialize(Coder coder, ICoderPayloadSerializer? serializer)
    {
        if (coder.Urn is not null)
            throw new InvalidOperationException($"{coder} has a URN and needs no serializer.");
        return serializer?.Serialize(coder) ?? throw new InvalidOperationException(
            $"{coder} is a coder of your own, and nothing was given that could serialize it.");
    }
}
