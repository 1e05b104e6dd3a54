namespace Beam.Coders;

/// <summary>URNs of coders beyond Beam's standard ones.</summary>
internal static class CoderUrns
{
    /// <summary>The components one after the other, as Python's tuples travel. Pairs are <c>beam:coder:kv:v1</c>, which has the same bytes.</summary>
    internal const string Tuple = "beam:coder:tuple:v1";

    /// <summary>A value encoded as a field of a row; the payload is the field type.</summary>
    internal const string DotNetField = "beam:coder:dotnet:field:v1";

    /// <summary>A coder of the user's own; the payload is what an <see cref="ICoderPayloadSerializer"/> makes of it.</summary>
    internal const string DotNet = "beam:coder:dotnet:v1";
}
