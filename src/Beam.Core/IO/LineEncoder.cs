using System.Text;
using System.Text.Json;

namespace Beam.IO;

/// <summary>Writes elements as lines. Travels to the workers.</summary>
internal abstract class LineEncoder<T>
{
    public abstract void Write(T value, Stream stream);

    protected static void WriteText(string text, Stream stream)
    {
        Span<byte> small = stackalloc byte[512];
        if (Encoding.UTF8.TryGetBytes(text, small, out var length)) stream.Write(small[..length]);
        else stream.Write(Encoding.UTF8.GetBytes(text));
    }
}

/// <summary>Text as it is.</summary>
internal sealed class TextEncoder : LineEncoder<string>
{
    public override void Write(string value, Stream stream) => WriteText(value, stream);
}

/// <summary>Records as JSON, each in one line whatever the options say of indentation.</summary>
internal sealed class JsonEncoder<T>(Func<JsonSerializerOptions>? createOptions) : LineEncoder<T>
{
    [Transient]
    private JsonSerializerOptions? options;

    [Transient]
    private Utf8JsonWriter? writer;

    public override void Write(T value, Stream stream)
    {
        options ??= JsonLines.Options(createOptions);
        if (writer is null) writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = options.Encoder, SkipValidation = true });
        else writer.Reset(stream);
        JsonSerializer.Serialize(writer, value, options);
        writer.Flush();
    }
}
