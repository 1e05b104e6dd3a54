using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>Makes a JSON object of a request's bytes: of bounded depth, and with nothing in it that is no text.</summary>
internal static class RequestJson
{
    /// <summary>How deep objects and lists may nest.</summary>
    public const int MaxDepth = 64;

    private const int EscapeLength = 6;

    /// <exception cref="ApiException">The bytes are not those of a JSON object.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> text)
    {
        if (!Utf8.IsValid(text.Span)) throw ApiException.Invalid("The body is not valid UTF-8.");
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException e)
        {
            throw ApiException.Invalid($"The body is not valid JSON: {e.Message}", cause: e);
        }

        try
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw ApiException.Invalid("The body must be a JSON object.");
            if (HalfPair(text.Span) is { } at)
                throw ApiException.Invalid($"The body has half a surrogate pair, {Encoding.ASCII.GetString(text.Span.Slice(at, EscapeLength))} at byte {at}: no character is written so.");
            return document;
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Where valid JSON escapes half of a pair, in a value or in a name; null if nowhere. The parser lets it pass, and fails when the text is
    /// asked for, whoever does so.
    /// </summary>
    private static int? HalfPair(ReadOnlySpan<byte> json)
    {
        for (var at = 0; json[at..].IndexOf((byte)'\\') is var next and >= 0;)
        {
            at += next;
            if (json[at + 1] != 'u')
            {
                at += 2;
                continue;
            }

            var unit = UnitAt(json, at);
            if (char.IsLowSurrogate(unit)) return at;
            if (!char.IsHighSurrogate(unit))
            {
                at += EscapeLength;
                continue;
            }

            var second = at + EscapeLength;
            if (!json[second..].StartsWith("\\u"u8) || !char.IsLowSurrogate(UnitAt(json, second))) return at;
            at = second + EscapeLength;
        }

        return null;
    }

    private static char UnitAt(ReadOnlySpan<byte> json, int escape) => (char)ushort.Parse(json.Slice(escape + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
