using System.Collections;
using System.Globalization;
using Google.Protobuf.WellKnownTypes;

namespace Beam;

/// <summary>Options' values between text, .NET and the pipeline proto.</summary>
internal static class OptionValues
{
    private const string Prefix = "beam:option:";
    private const string Suffix = ":v1";

    public static string Urn(string name) => Prefix + name + Suffix;

    public static string NameOfUrn(string urn) =>
        urn.StartsWith(Prefix, StringComparison.Ordinal) && urn.EndsWith(Suffix, StringComparison.Ordinal) ? urn[Prefix.Length..^Suffix.Length] : urn;

    public static object? Parse(string name, System.Type type, IReadOnlyList<string> values)
    {
        if (type.IsAssignableFrom(typeof(List<string>))) return values.ToList();
        var text = values[^1];
        var target = Nullable.GetUnderlyingType(type) ?? type;
        if (target == typeof(string)) return text;
        if (target.IsEnum)
        {
            var names = System.Enum.GetNames(target);
            return names.FirstOrDefault(n => SnakeCase(n) == text.ToLowerInvariant()) is { } found
                ? System.Enum.Parse(target, found)
                : throw new BeamException($"The option --{name} is '{text}'; it must be one of {string.Join(", ", names.Select(SnakeCase))}.");
        }

        try
        {
            if (target == typeof(TimeSpan)) return TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));
            return Convert.ChangeType(text, target, CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is FormatException or OverflowException or InvalidCastException)
        {
            throw new BeamException($"The option --{name} is '{text}', which is not {Describe(target)}.", e);
        }
    }

    /// <summary>A value as text, as the command line would have it; none for null.</summary>
    public static List<string> Format(object? value) => value switch
    {
        null => [],
        string text => [text],
        bool flag => [flag ? "true" : "false"],
        System.Enum choice => [SnakeCase(choice.ToString())],
        TimeSpan span => [span.TotalSeconds.ToString("R", CultureInfo.InvariantCulture)],
        IEnumerable items => [.. items.Cast<object>().Select(i => Convert.ToString(i, CultureInfo.InvariantCulture)!)],
        _ => [Convert.ToString(value, CultureInfo.InvariantCulture)!],
    };

    public static Value ToProto(List<string> values) =>
        values.Count == 1 ? Value.ForString(values[0]) : Value.ForList([.. values.Select(Value.ForString)]);

    public static List<string> FromProto(Value value) => value.KindCase switch
    {
        Value.KindOneofCase.ListValue => [.. value.ListValue.Values.SelectMany(FromProto)],
        Value.KindOneofCase.StringValue => [value.StringValue],
        Value.KindOneofCase.BoolValue => [value.BoolValue ? "true" : "false"],
        Value.KindOneofCase.NumberValue => [value.NumberValue.ToString("R", CultureInfo.InvariantCulture)],
        Value.KindOneofCase.StructValue => [value.StructValue.ToString()],
        _ => [],
    };

    private static string SnakeCase(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));

    private static string Describe(System.Type type) =>
        type == typeof(bool) ? "true or false"
        : type == typeof(TimeSpan) ? "a number of seconds"
        : type == typeof(double) || type == typeof(float) || type == typeof(decimal) ? "a number"
        : "a whole number in range";
}
