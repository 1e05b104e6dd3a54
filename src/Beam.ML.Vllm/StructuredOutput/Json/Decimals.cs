using System.Globalization;

namespace Beam.ML.Vllm.StructuredOutput.Json;

/// <summary>A decimal number by its digits, exactly as it was written.</summary>
/// <param name="IsNegative">Whether it is below zero.</param>
/// <param name="Integer">The digits before the point, without leading zeros; empty for 0.</param>
/// <param name="Fraction">The digits after the point, without trailing zeros.</param>
internal readonly record struct Decimals(bool IsNegative, string Integer, string Fraction) : IComparable<Decimals>
{
    public const int MostDigits = 512;

    public bool IsZero => Integer.Length == 0 && Fraction.Length == 0;

    public static bool TryParse(string json, out Decimals value)
    {
        value = default;
        var negative = json.StartsWith('-');
        var text = negative ? json[1..] : json;
        var exponent = 0;
        if (text.IndexOfAny(['e', 'E']) is >= 0 and var at)
        {
            if (!int.TryParse(text.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent) || Math.Abs((long)exponent) > MostDigits) return false;
            text = text[..at];
        }
        var point = text.IndexOf('.', StringComparison.Ordinal);
        var digits = text.Replace(".", "", StringComparison.Ordinal);
        point = (point < 0 ? text.Length : point) + exponent;
        if (digits.Length > MostDigits) return false;
        if (point < 0) (digits, point) = (new string('0', -point) + digits, 0);
        if (point > digits.Length) digits = digits.PadRight(point, '0');
        value = new Decimals(negative, digits[..point].TrimStart('0'), digits[point..].TrimEnd('0'));
        if (value.IsZero) value = value with { IsNegative = false };
        return true;
    }

    public int CompareTo(Decimals other)
    {
        if (IsNegative != other.IsNegative) return IsNegative ? -1 : 1;
        var order = Integer.Length != other.Integer.Length ? Integer.Length.CompareTo(other.Integer.Length)
            : string.CompareOrdinal(Integer, other.Integer) is var whole and not 0 ? whole
            : string.CompareOrdinal(Fraction, other.Fraction);
        return IsNegative ? -order : order;
    }
}
