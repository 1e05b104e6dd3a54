using System.Text;
using System.Text.Json;

namespace Beam.IO;

/// <summary>Makes an element of a line. Travels to the workers.</summary>
internal abstract class LineDecoder<T>
{
    /// <summary>Whether a line is an element at all.</summary>
    public virtual bool Accepts(ReadOnlySpan<byte> line) => true;

    public abstract T Decode(ReadOnlySpan<byte> line, string path, long offset);
}

/// <summary>Lines as text.</summary>
internal sealed class TextDecoder : LineDecoder<string>
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public override string Decode(ReadOnlySpan<byte> line, string path, long offset)
    {
        try
        {
            return Strict.GetString(line);
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException($"'{path}': the line at byte {offset} is not UTF-8.", e);
        }
    }
}

/// <summary>Lines as JSON; empty ones are skipped.</summary>
internal sealed class JsonDecoder<T>(Func<JsonSerializerOptions>? createOptions) : LineDecoder<T>
{
    [Transient]
    private JsonSerializerOptions? options;

    public override bool Accepts(ReadOnlySpan<byte> line) => !line.Trim(" \t\r"u8).IsEmpty;

    public override T Decode(ReadOnlySpan<byte> line, string path, long offset)
    {
        options ??= JsonLines.Options(createOptions);
        try
        {
            return JsonSerializer.Deserialize<T>(line, options) ?? throw new JsonException("The value is null.");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new InvalidDataException($"'{path}': the line at byte {offset} is not a {typeof(T).Name} in JSON: {e.Message}", e);
        }
    }
}
