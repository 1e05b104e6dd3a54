using Beam.ML.Vllm.Server.Hosting;

namespace Beam.ML.Vllm.Server.Protocol;

/// <summary>
/// The message that <c>continue_final_message</c> leaves open. A tag at its end tells where the template has written it, so that what the
/// template writes behind is cut off, whatever the message's own text is.
/// </summary>
internal static class FinalMessage
{
    /// <summary>What is added to the message's content. Transformers' own, since some templates look for it; the blank tells whether the template strips contents.</summary>
    public const string Tag = "CONTINUE_FINAL_MESSAGE_TAG ";

    /// <summary>What a template wrote, up to the end of the last message.</summary>
    /// <param name="text">The rendering, with the tag in it.</param>
    /// <param name="content">The message's content, without the tag.</param>
    /// <exception cref="ApiException">The template leaves the message out, or writes another text in its place.</exception>
    public static string Leave(string text, string content)
    {
        var at = text.LastIndexOf(Tag.TrimEnd(), StringComparison.Ordinal);
        // Of a template that strips contents, blanks before the tag are the message's own, unless it is nothing but blank.
        var stripped = at >= 0 && !text.AsSpan(at).StartsWith(Tag, StringComparison.Ordinal) && !string.IsNullOrWhiteSpace(content);
        var open = at < 0 ? "" : stripped ? text[..at].TrimEnd() : text[..at];
        if (at < 0 || !open.AsSpan().TrimEnd().EndsWith(content.AsSpan().Trim()))
            throw ApiException.Invalid("continue_final_message needs a last message whose content the chat template writes out as it is.", "continue_final_message");
        return open;
    }
}
