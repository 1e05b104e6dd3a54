namespace Beam.Coders.Standard;

/// <summary>A Uri as the text that it was made of.</summary>
internal static class UriCoder
{
    internal static readonly Coder<Uri> Instance = new ConvertedCoder<Uri, string>(
        StringUtf8Coder.Instance,
        static uri => uri.OriginalString,
        static text => Uri.TryCreate(text, UriKind.RelativeOrAbsolute, out var uri) ? uri : throw new CoderException($"'{text}' is not a URI."));
}
