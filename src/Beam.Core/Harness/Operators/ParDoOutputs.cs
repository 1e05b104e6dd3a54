namespace Beam.Harness;

/// <summary>The outputs of a ParDo by their tags.</summary>
internal sealed class ParDoOutputs(string transformName, string mainTag, Dictionary<string, OutputEdge> byTag, DescriptorCoders coders)
{
    /// <summary>The main output; null if the descriptor leaves it out because nobody reads it.</summary>
    public OutputEdge<T>? Main<T>() => (OutputEdge<T>?)byTag.GetValueOrDefault(mainTag);

    public void Emit<T>(OutputTag<T> tag, in WindowedValue<T> element)
    {
        if (byTag.TryGetValue(tag.Name, out var edge)) edge.EmitAs(in element, coders);
        else ThrowUndeclared(tag.Name);
    }

    /// <summary>Fails unless the transform has the output.</summary>
    public void Require(OutputTag tag)
    {
        if (!byTag.ContainsKey(tag.Name)) ThrowUndeclared(tag.Name);
    }

    private void ThrowUndeclared(string tag) => throw new InvalidOperationException(
        $"'{transformName}' has no output '{tag}', only {string.Join(", ", byTag.Keys.Select(k => $"'{k}'"))}; give the tag to ParDo.Of.");
}
