using System.Text.RegularExpressions;
using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>The field of a request that its constraint of the output was made of, which is the one to name where the constraint is wrong.</summary>
/// <param name="Field">Its name.</param>
/// <param name="IsTools">It is the list of tools, whose schemas have become parts of another.</param>
internal sealed partial record ConstraintOrigin(string Field, bool IsTools = false)
{
    public static ConstraintOrigin Own { get; } = new("structured_outputs");

    /// <summary>The tools of which one must be called.</summary>
    public static ConstraintOrigin AnyTool { get; } = new("tools", IsTools: true);

    /// <summary>The arguments of a tool that must be called.</summary>
    public static ConstraintOrigin Tool(int index) => new($"tools[{index}].function.parameters");

    /// <summary>What a wrong constraint is to the client.</summary>
    public ApiException Explain(Exception cause)
    {
        if (!IsTools || PlaceInTool().Match(cause.Message) is not { Success: true } place) return ApiException.Invalid(cause.Message, Field, cause);
        return ApiException.Invalid(PlaceInTool().Replace(cause.Message, "#"), Tool(int.Parse(place.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture)).Field, cause);
    }

    // As OutputConstraint lays them out.
    [GeneratedRegex("#?/items/anyOf/([0-9]{1,9})/properties/parameters(?=['/])", RegexOptions.CultureInvariant)]
    private static partial Regex PlaceInTool();
}
