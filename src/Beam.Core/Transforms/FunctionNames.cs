namespace Beam;

/// <summary>Names of transforms from the functions that users give them: stable from build to build, or not used at all.</summary>
internal static class FunctionNames
{
    /// <summary>
    /// <c>Map(ParseLine)</c> for a method or local function, <c>Map</c> for a lambda, whose compiled name counts the lambdas before it.
    /// </summary>
    public static string Of(string transform, Delegate function)
    {
        var name = function.Method.Name;
        if (name.Length == 0 || name[0] != '<') return $"{transform}({name})";

        // A local function is compiled to <Outer>g__Name|0_1, a lambda to <Outer>b__0_1.
        var local = name.IndexOf(">g__", StringComparison.Ordinal);
        var end = name.LastIndexOf('|');
        return local >= 0 && end > local + 4 ? $"{transform}({name[(local + 4)..end]})" : transform;
    }
}
